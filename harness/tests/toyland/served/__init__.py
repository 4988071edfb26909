"""Reproducers and a configuration of the toy's server, written as real ones are."""
