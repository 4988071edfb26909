"""Tests of the larger commands."""
