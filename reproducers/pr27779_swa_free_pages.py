"""#27779: a page of the window pool is given back twice, once for each part of it.

A hybrid allocator maps each token's slot of the full pool to one of the window pool. Giving one token of a
page back gives the whole page of the window pool back, while the mapping was cleared for that token alone:
the page's other tokens went on pointing at what now is free, and soon another request's. Giving those
back later frees the page once more: two requests get it, or upstream's check of its pools finds more slots
than there are. The fix clears the mapping of the whole page. Page size 1 was always right, and so are parts
that end with a page. The default point looks at the mapping, before anything is given back twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Lists,
    Params,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import paging
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import slots

_POOL, _TOKENS, _REST = 64, 16, 32
"""Slots of either pool, tokens of the request that is given back, and of one that stays."""


def give_back(lab: KernelLab, *, page_size: int, parts: tuple[int, ...]) -> Mapping[str, Any]:
    """Give the first tokens of a request back in parts of these lengths, beside a request that stays.

    Returns which of its tokens are `mapped` behind the last part, [tokens], and how many slots of the
    window pool are `free` behind each.
    """
    lab.note(f"{len(torn(page_size, parts))} of {len(parts)} parts end within a page")
    sizes = swa_model.Sizes(_POOL, _POOL, page_size, window=_TOKENS, context_len=_POOL, dtype="float32")
    allocator = swa_model.pools(sizes, lab.device).allocator
    with lab.observe("allocate"):
        held, _ = (slots.extend(allocator, [], length, lab.device) for length in (_TOKENS, _REST))
    free = []
    for end, length in zip(accumulate(parts), parts, strict=True):
        with lab.observe("free_swa"):
            allocator.free_swa(held[end - length : end])
        free.append(int(allocator.swa_available_size()))
    return {"mapped": allocator.full_to_swa_index_mapping[held] > 0, "free": free}


def torn(page_size: int, parts: Sequence[int]) -> list[int]:
    """Where parts end within a page."""
    return [end for end in accumulate(parts) if end % page_size]


def expected(*, page_size: int, parts: Sequence[int]) -> Mapping[str, Any]:
    """Every page of which a token was given back is free, once, and none of its tokens is mapped."""
    gone = [paging.whole(end, page_size) for end in accumulate(parts)]
    return {
        "mapped": [token >= gone[-1] for token in range(_TOKENS)],
        "free": [_POOL - _TOKENS - _REST + freed for freed in gone],
    }


def refuse(params: Params) -> None:
    if sum(params["parts"]) > _TOKENS:
        raise BadInput(f"parts: {sum(params['parts'])} are more than the {_TOKENS} tokens there are")
    if _TOKENS % params["page_size"]:
        raise BadInput(f"page_size: {params['page_size']} does not divide {_TOKENS}: give 1, 2, 4, 8 or 16")


def tears_a_page(params: Params) -> bool:
    """Whether some part ends within a page, be it the last one or not."""
    return bool(torn(params["page_size"], params["parts"]))


REPRODUCER = Reproducer(
    bug=Bug(
        pr=27779,
        fixed_in="0.5.14",
        symptom="sliding window with pages: a leak of the window pool, or two requests in one page of it",
    ),
    requires=frozenset({"torch"}),
    revert=Revert(
        edit(
            in_function="SWATokenToKVPoolAllocator.free_swa",
            replace="mapping_indices = self._expand_to_full_pages(free_index)",
            by="mapping_indices = free_index",
        )
    ),
    kernel=KernelCase(
        call=give_back,
        check=refuse,
        imports=(swa_model.POOL,),
        params={
            "page_size": Integer(4, sweep=(1, 2, 4, 8)),
            "parts": Integers((3,), sweep=Lists(lengths=(1, 2, 3), values=(1, 2, 3, 4, 5))),
        },
        grid=Grid(page_size=[1, 2, 4, 8], parts=[(3,), (8,), (4, 4), (3, 5), (5, 4, 7)]),
        watch=watch("wrong-value", "index-range"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="slots are counted"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer="mapped", only=tears_a_page)),
)
