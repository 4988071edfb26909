"""Tests of harness.host."""
