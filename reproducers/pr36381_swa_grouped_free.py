"""#36381: what a group of frees gives back of the window pool is looked up when the group ends.

A hybrid allocator maps each token's slot of the full pool to one of the window pool. Inside a group, a
free kept the slots of the full pool and looked for their peers at the group's end. A prefix cache that
gives such a token a fresh window slot before that had the fresh one freed and unmapped, which it goes on
reading, while the old one was never given back. The fix looks the peers up when they are freed. Outside a
group, and where nothing is mapped anew, both are the same. 0.5.18 alone has the fault: it is the first to
put these frees off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Params,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import slots

_POOL, _HELD = 64, 16
"""Slots of either pool, and tokens of the one request."""
ANEW = "mapped anew"
_GROUPS = (ANEW, "left alone", "none")
"""What happens to the tokens until their group ends; without one they are mapped anew at once."""


def give_back(lab: KernelLab, *, page_size: int, tokens: int, group: str) -> Mapping[str, Any]:
    """Give a request's first `tokens` back to the window pool, and map them anew as a prefix cache does.

    Returns which of its tokens are `mapped` then, [16], how many of its slots are lent once more
    (`shared`), and how many slots could be `lent`.
    """
    import torch

    sizes = swa_model.Sizes(_POOL, _POOL, page_size, window=_HELD, context_len=_POOL, dtype="float32")
    allocator = swa_model.pools(sizes, lab.device).allocator
    with lab.observe("allocate"):
        held = slots.extend(allocator, [], _HELD, lab.device)
    used = allocator.full_to_swa_index_mapping[held[tokens:]]
    with lab.observe("free"):
        if group != "none":
            allocator.free_group_begin()
        allocator.free_swa(held[:tokens])
        if group != "left alone":
            fresh = allocator.swa_attn_allocator.alloc(tokens)
            _map(allocator, held[:tokens], fresh)
            used = torch.cat([used, fresh])
        if group != "none":
            allocator.free_group_end()
    mapped = allocator.full_to_swa_index_mapping[held] > 0
    lent = allocator.swa_attn_allocator.alloc(allocator.swa_available_size())
    return {"mapped": mapped, "shared": int(torch.isin(used, lent).sum()), "lent": len(lent)}


def _map(allocator: Any, full: Any, window: Any) -> None:
    """Give slots of the full pool these of the window pool; up to 0.5.11 upstream has no function for it."""
    if hasattr(allocator, "set_full_to_swa_mapping"):
        allocator.set_full_to_swa_mapping(full, window)
    else:
        allocator.full_to_swa_index_mapping[full] = window


def expected(*, page_size: int, tokens: int, group: str) -> Mapping[str, Any]:
    """What was given back is free once; what was mapped anew stays so, and is nobody else's."""
    gone = tokens if group == "left alone" else 0
    return {
        "mapped": [token >= gone for token in range(_HELD)],
        "shared": 0,
        "lent": _POOL - _HELD + gone,
    }


def refuse(params: Params) -> None:
    size, tokens = params["page_size"], params["tokens"]
    if tokens > _HELD or tokens % size or _HELD % size:
        raise BadInput(f"tokens, page_size: {tokens} are no whole pages of {size} among {_HELD} tokens")


def maps_anew(params: Params) -> bool:
    """Whether the freed tokens get other slots while their group is open."""
    return bool(params["group"] == ANEW)


REPRODUCER = Reproducer(
    bug=Bug(
        pr=36381,
        issue=36081,
        introduced_in="0.5.18",
        fixed_in="0.5.19",
        symptom="sliding window with a prefix cache: a leak of the window pool, or two requests in one page",
    ),
    requires=frozenset({"torch"}),
    revert=Revert(
        edit(
            in_function="SWATokenToKVPoolAllocator.free_swa",
            replace="if ANY: return",
            by="if free_index.numel() == 0:\n    return\n"
            "if self.free_group is not None:\n"
            "    self.swa_free_group.append(self._copy_for_free_group(free_index))\n    return",
        ),
        edit(
            in_function="SWATokenToKVPoolAllocator.free_swa",
            remove="self.swa_free_group.append(swa_indices)",  # no group comes that far any more
        ),
        edit(
            in_function="SWATokenToKVPoolAllocator.free_group_end",
            replace="ANY(torch.cat(swa_free_group))",
            by="self.free_swa(torch.cat(swa_free_group))",
        ),
    ),
    kernel=KernelCase(
        call=give_back,
        check=refuse,
        imports=(swa_model.POOL,),
        params={
            "page_size": Integer(4, sweep=(1, 2, 4, 8)),
            "tokens": Integer(8, sweep=(8, 16)),
            "group": Choice(ANEW, _GROUPS),
        },
        grid=Grid(page_size=[1, 4, 8], tokens=[8, 16], group=list(_GROUPS)),
        watch=watch("wrong-value", "index-range"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="slots are counted"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer="mapped", only=maps_anew)),
)
