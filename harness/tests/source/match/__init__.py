"""Tests of matching and rewriting by syntax."""
