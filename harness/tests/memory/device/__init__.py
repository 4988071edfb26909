"""Tests of harness.memory.device: all that needs no device; ci/fences_selftest.py runs the rest on one."""
