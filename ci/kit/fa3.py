"""Which kernels of FlashAttention-3 a model needs, told by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ci.kit.fatbin import Piece
from harness.errors import BadInput

DTYPES = {"bfloat16": "bfloat16_t", "float16": "half_t"}
"""Types of models, and what cutlass calls them."""
HEAD_SIZES = (64, 96, 128, 192, 256)
_SM90 = 90
# Launched beside any attention kernel of FA3: one joins split results, one plans batches of unequal length.
_HELPERS = ("FlashAttnFwdCombine", "prepare_varlen")
# The forward kernels' main loop says its tile (queries, keys, head size), the values' head size, the type.
_MAIN_LOOP = re.compile(
    r"CollectiveMainloopFwdSm90<\d+, cute::tuple<cute::C<\d+>, cute::C<\d+>, cute::C<\d+> >, "
    r"cute::tuple<cute::C<\d+>, cute::C<\d+>, cute::C<(\d+)> >, (\d+), cutlass::(\w+)"
)


@dataclass(frozen=True)
class Needs:
    """The head size (of keys and of values) and the dtype of the model that FA3 is to serve.

    Raises BadInput for a head size or a dtype that FA3 has no kernels for.
    """

    head_size: int
    dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        if self.head_size not in HEAD_SIZES:
            raise BadInput(f"FA3 has no kernels of head size {self.head_size}: take one of {HEAD_SIZES}")
        if self.dtype not in DTYPES:
            raise BadInput(f"no FA3 kernels of dtype {self.dtype} are known: take one of {', '.join(DTYPES)}")

    def wants(self, piece: Piece, names: Callable[[], tuple[str, ...]]) -> bool:
        """Whether a piece of `flash_ops` holds a kernel that such a model may launch on sm_90."""
        return piece.chip == _SM90 and any(map(self.wants_kernel, names()))

    def wants_kernel(self, name: str) -> bool:
        if any(helper in name for helper in _HELPERS):
            return True
        size, kind = str(self.head_size), DTYPES[self.dtype]
        return any(found == (size, size, kind) for found in _MAIN_LOOP.findall(name))
