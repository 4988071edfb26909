"""Tests of what is read out of IR and assembly, on invented pieces of both."""
