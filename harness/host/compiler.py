"""Importing this makes a process ready to compile kernels: Triton hashes itself once, not in each arm."""

from __future__ import annotations

from triton.runtime.cache import triton_key

KEY = triton_key()
"""By what Triton tells itself from other releases; it remembers that."""
