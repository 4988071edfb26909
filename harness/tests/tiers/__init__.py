"""Tests of harness.tiers."""
