"""Tests of harness.host.boot."""
