"""Tests of the suite on a toy upstream: real arms, reverts, attestation and goldens."""
