"""Trees, reverts and attestation: which code an arm runs, and proof of it."""
