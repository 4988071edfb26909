"""Tests of trees, symbols, reverts and attestation."""
