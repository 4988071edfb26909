"""The hash of deterministic sampling on a machine without an accelerator."""

from __future__ import annotations

from typing import Any

import torch

from harness.imports import Noted

_NATIVE = "murmur_hash32_cpu"
_BLOCK = 1024


def hash_by_kernel(module: Any, noted: Noted) -> None:
    """Let upstream's Triton kernel hash the CPU's tensors too.

    From 0.5.20 on upstream asks its kernel library for a native hash of those, which is not here.
    """
    if _NATIVE not in module.murmur_hash32.__code__.co_names:
        return
    kernel = module.murmur_hash32_kernel

    def murmur_hash32(seed: torch.Tensor, positions: torch.Tensor, col_indices: torch.Tensor) -> torch.Tensor:
        rows, width = len(seed), len(col_indices)
        hashed = torch.empty((rows, width), dtype=torch.uint32, device=seed.device)
        grid = (rows, -(-width // _BLOCK))
        kernel[grid](seed, positions, col_indices, hashed, rows, width, BLOCK_SIZE=_BLOCK)
        return hashed

    module.murmur_hash32 = murmur_hash32
    noted(f"{module.__name__}.murmur_hash32: launches upstream's kernel, as on other devices")
