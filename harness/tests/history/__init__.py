"""Tests of the store of past runs, and of what it names."""
