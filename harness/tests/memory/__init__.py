"""Tests of the memory oracle, with the battery of planted programs that holds it."""
