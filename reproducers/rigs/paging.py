"""Whole pages, and the page sizes that a case is given by hand: those that upstream's allocators take."""

from __future__ import annotations

from harness.errors import BadInput


def whole(tokens: int, page_size: int) -> int:
    """Slots of the pages that so many tokens lie in."""
    return -(-tokens // page_size) * page_size


def refuse(page_size: int) -> None:
    """Refuse what is no power of two."""
    if page_size & (page_size - 1):
        raise BadInput("page_size: give a power of two, upstream's paged allocator takes no other")


def refuse_for(page_size: int, pool: int) -> None:
    """Refuse pages that do not fill a pool of so many slots."""
    if pool % page_size:
        raise BadInput(f"page_size: {page_size} does not divide the pools' {pool} slots: give a power of two")
