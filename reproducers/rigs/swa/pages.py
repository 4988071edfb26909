"""Which pages upstream's two allocators hand out to chunked requests, followed on paper.

`PagedTokenToKVPoolAllocator` puts pages that are freed together back to the front, sorted;
`TokenToKVPoolAllocator`, which serves page size 1, appends single slots in the order given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import BadInput


@dataclass
class FreePages:
    """The free list of one pool; `name` is the parameter that sizes it, page 0 is never handed out."""

    name: str
    tokens: int
    page_size: int
    free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        if self.tokens % self.page_size:
            raise BadInput(
                f"{self.name}: {self.tokens} is no multiple of page_size {self.page_size}: round it"
            )
        self.free = list(range(1, self.tokens // self.page_size + 1))

    def take(self, pages: int) -> list[int]:
        """The next pages; raises BadInput where there are fewer."""
        if pages > len(self.free):
            left, needed = len(self.free) * self.page_size, pages * self.page_size
            raise BadInput(f"{self.name}: a chunk needs {needed} slots and {left} are left: raise it")
        taken, self.free = self.free[:pages], self.free[pages:]
        return taken

    def give_back(self, pages: Sequence[int]) -> None:
        self.free = [*self.free, *pages] if self.page_size == 1 else [*sorted(pages), *self.free]


def new_pages(
    *, full_tokens: int, swa_tokens: int, window: int, page_size: int, chunks: Sequence[int], requests: int
) -> Iterator[tuple[int, int]]:
    """The page in the full pool and the one in the window pool that hold a chunk's new tokens, in order.

    Requests run one after another. Before a chunk, the window pool gets back the whole pages
    that no later query sees; at the end of a request both pools get back what it holds.
    """
    full = FreePages("full_tokens", full_tokens, page_size)
    swa = FreePages("swa_tokens", swa_tokens, page_size)
    for _ in range(requests):
        full_held: list[int] = []
        swa_held: list[int] = []
        length = evicted = 0
        for chunk in chunks:
            gone = max(evicted, (length - window) // page_size)
            swa.give_back(swa_held[evicted:gone])
            first, evicted, length = length // page_size, gone, length + chunk
            missing = -(-length // page_size) - len(full_held)
            full_held += full.take(missing)
            swa_held += swa.take(missing)
            yield from zip(full_held[first:], swa_held[first:], strict=True)
        full.give_back(full_held)
        swa.give_back(swa_held[evicted:])
