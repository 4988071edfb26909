"""The hash of seeded sampling, on a module that looks like upstream's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from harness.host.seeded_sampling import hash_by_kernel


class Kernel:
    """Stands for a Triton kernel: notes its grid, and writes what shows who was asked."""

    def __init__(self) -> None:
        self.grids: list[tuple[int, ...]] = []

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        self.grids.append(grid)
        return self._launch

    def _launch(
        self, seed: Any, positions: Any, columns: Any, out: Any, *sizes: int, BLOCK_SIZE: int
    ) -> None:
        assert sizes == (len(seed), len(columns)) and BLOCK_SIZE == 1024
        out.copy_((seed[:, None] + positions[:, None] + columns).to(torch.uint32))


def native(seed: Any, positions: Any, columns: Any) -> Any:
    return torch.ops.sgl_kernel.murmur_hash32_cpu.default(seed, positions, columns)


def test_the_kernel_hashes_where_upstream_would_ask_its_library() -> None:
    kernel, noted = Kernel(), list[str]()
    module: Any = SimpleNamespace(__name__="m", murmur_hash32=native, murmur_hash32_kernel=kernel)
    hash_by_kernel(module, noted.append)
    hashed = module.murmur_hash32(torch.tensor([3, 4]), torch.tensor([10, 20]), torch.arange(1100))
    assert hashed.dtype == torch.uint32 and hashed[1, 7] == 31 and kernel.grids == [(2, 2)]
    assert noted == ["m.murmur_hash32: launches upstream's kernel, as on other devices"]


def test_a_release_that_launches_its_kernel_anyway_stays_as_it_is() -> None:
    own, noted = (lambda seed, positions, columns: seed), list[str]()
    module: Any = SimpleNamespace(__name__="m", murmur_hash32=own, murmur_hash32_kernel=Kernel())
    hash_by_kernel(module, noted.append)
    assert module.murmur_hash32 is own and noted == []
