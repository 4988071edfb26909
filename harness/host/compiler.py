"""Importing this makes a process ready to compile kernels: all arms know from it which Triton it is."""

from __future__ import annotations

from harness.host import triton_files

KEY = triton_files.told()
"""By what Triton is told from other releases. It is remembered, also in a fork."""
