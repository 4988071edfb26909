"""Tests of harness.memory.device: all that needs no device; ci/gpu/fences.py runs the rest on one."""
