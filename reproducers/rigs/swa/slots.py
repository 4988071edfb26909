"""Slots of both pools for a request's next tokens, asked of upstream's own allocator."""

from __future__ import annotations

from typing import Any

from harness.errors import BadInput


def extend(allocator: Any, held: Any, length: int, device: str = "cpu") -> Any:
    """The full pool's slots of `length` tokens behind those `held`, int64 [length].

    Raises BadInput where upstream refuses them.
    """
    new = allocator.alloc(length) if allocator.page_size == 1 else _paged(allocator, held, length, device)
    if new is None:
        full, window = allocator.full_available_size(), allocator.swa_available_size()
        raise BadInput(
            f"chunks: upstream refuses {length} tokens with {full} slots free in the full and {window} in "
            "the window pool: raise full_tokens and swa_tokens"
        )
    return new


def _paged(allocator: Any, held: Any, length: int, device: str) -> Any:
    import torch

    ends = [torch.tensor([end]) for end in (len(held), len(held) + length)]
    last = held[-1:] if len(held) else torch.tensor([-1], device=device)
    before, after = ((end.to(device), end) for end in ends)
    return allocator.alloc_extend(*before, *after, last, length)
