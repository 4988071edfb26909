"""A toy upstream with planted bugs, and the reproducers of those bugs.

The toy package is called `sglang`, and a checkout calls the reproducers `reproducers`: the command
and the plugin are tested as they are, without a switch that would exist for tests only.
"""
