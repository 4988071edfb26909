"""Planted programs whose results depend on memory that nobody wrote, and twins that only hold some.

In many of them arithmetic forgets where a value came from: narrow types, comparisons, reductions that pass
a NaN over, branches. In many twins there is poison, or a NaN, of which nothing depends on the former.
"""

from __future__ import annotations

import torch

from harness.tests.memory import battery_kernels as kernels
from harness.tests.memory.battery import Outputs, planted, tainted


def _partly(rows: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Memory of which the first rows alone were written."""
    made = torch.empty(shape, dtype=dtype)
    made[:rows] = 1
    return made


@planted("a product with rows never written", tainted("out", 256, 192, 255, 64), kernels="multiply")
def multiply_unwritten_rows(planted: bool) -> Outputs:
    left = _partly(12 if planted else 16, 16, 16)
    out = torch.zeros(16, 16)
    kernels.multiply[(1,)](out, left, torch.ones(16, 16), BLOCK=16)
    return {"out": out}


@planted(
    "a product of half-precision matrices, a column never written",
    tainted("out", 256, 0, 255, 256),
    kernels="multiply",
)
def multiply_unwritten_column(planted: bool) -> Outputs:
    left = torch.empty(16, 16, dtype=torch.float16)
    left[:, : 15 if planted else 16] = 1
    out = torch.zeros(16, 16)
    kernels.multiply[(1,)](out, left, torch.ones(16, 16, dtype=torch.float16), BLOCK=16)
    return {"out": out}


@planted("a mask of one too many", tainted("out", 1, 0, 0, 1), kernels="sum_weighted")
def sum_what_a_mask_should_remove(planted: bool) -> Outputs:
    weights, values, out = _partly(6, 8), _partly(6, 8), torch.zeros(1)
    kernels.sum_weighted[(1,)](out, weights, values, 7 if planted else 6, BLOCK=8)
    return {"out": out}


@planted(
    "the largest of numbers that were not all written",
    tainted("out", 1, 0, 0, 1, "wrong-value"),
    kernels="largest",
)
def take_largest_of_unwritten(planted: bool) -> Outputs:
    values, out = _partly(6 if planted else 8, 8, dtype=torch.int16), torch.zeros(1, dtype=torch.int16)
    kernels.largest[(1,)](out, values, BLOCK=8)
    return {"out": out}


@planted(
    "the low bytes of words never written", tainted("out", 8, 6, 7, 2, "wrong-value"), kernels="low_bytes"
)
def cast_unwritten_to_bytes(planted: bool) -> Outputs:
    values, out = _partly(6 if planted else 8, 8, dtype=torch.int32), torch.zeros(8, dtype=torch.int8)
    kernels.low_bytes[(1,)](out, values, BLOCK=8)
    return {"out": out}


@planted("bytes never written, copied", tainted("out", 8, 5, 7, 3, "wrong-value"), kernels="copy")
def copy_unwritten_bytes(planted: bool) -> Outputs:
    values, out = _partly(5 if planted else 8, 8, dtype=torch.int8), torch.zeros(8, dtype=torch.int8)
    kernels.copy[(1,)](out, values, BLOCK=8)
    return {"out": out}


@planted("NaNs of two kinds: one computed, one never written", tainted("out", 8, 6, 7, 2), kernels="copy")
def copy_unwritten_bfloat16(planted: bool) -> Outputs:
    values, out = _partly(6 if planted else 8, 8, dtype=torch.bfloat16), torch.zeros(8, dtype=torch.bfloat16)
    values[0] = torch.nan
    kernels.copy[(1,)](out, values, BLOCK=8)
    return {"out": out}


@planted(
    "comparisons with what was never written", tainted("out", 8, 4, 7, 4, "wrong-value"), kernels="are_less"
)
def compare_unwritten_floats(planted: bool) -> Outputs:
    values, out = _partly(4 if planted else 8, 8), torch.zeros(8, dtype=torch.int8)
    kernels.are_less[(1,)](out, values, 0.5, BLOCK=8)
    return {"out": out}


@planted(
    "a branch on a length never written", tainted("out", 1, 0, 0, 1, "wrong-value"), kernels="store_if_long"
)
def branch_on_unwritten_length(planted: bool) -> Outputs:
    lengths, out = _partly(0 if planted else 1, 1, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
    kernels.store_if_long[(1,)](out, lengths)
    return {"out": out}


@planted("float8 cache with an unwritten tail, widened", tainted("wide", 8, 6, 7, 2))
def widen_unwritten_float8(planted: bool) -> Outputs:
    cache = torch.empty(8, dtype=torch.float8_e4m3fn)
    cache[: 6 if planted else 8] = torch.ones(6 if planted else 8).to(torch.float8_e4m3fn)
    return {"wide": cache.to(torch.float32)}


@planted("a product of torch's with a row never written", tainted("product", 8, 6, 7, 2))
def multiply_rows_with_torch(planted: bool) -> Outputs:
    left = _partly(3 if planted else 4, 4, 5)
    return {"product": left @ torch.ones(5, 2)}


@planted("the order of keys never written", tainted("order", 4, 0, 3, 4, "wrong-value"))
def sort_unwritten_keys(planted: bool) -> Outputs:
    keys = torch.empty(4, dtype=torch.int64)
    keys[: 3 if planted else 4] = torch.arange(3 if planted else 4)
    return {"order": keys.argsort(stable=True)}


@planted("a select whose mask is one too wide", tainted("chosen", 6, 4, 4, 1))
def select_unwritten(planted: bool) -> Outputs:
    values = _partly(4, 6)
    written = torch.arange(6) < (5 if planted else 4)
    return {"chosen": torch.where(written, values, 0.0)}


@planted("a flag never written decides", tainted("rows", 2, 0, 1, 2, "wrong-value"))
def decide_by_unwritten_flag(planted: bool) -> Outputs:
    flags = _partly(0 if planted else 1, 1, dtype=torch.bool)
    return {"rows": torch.tensor([1, 2]) if flags[0] else torch.tensor([3, 4])}


@planted("a running sum of short integers", tainted("ends", 5, 3, 4, 2, "wrong-value"))
def add_up_unwritten_lengths(planted: bool) -> Outputs:
    lengths = _partly(3 if planted else 5, 5, dtype=torch.int16)
    return {"ends": lengths.cumsum(0, dtype=torch.int16)}


@planted("numpy looks at the memory itself", tainted("total", 1, 0, 0, 1, "wrong-value"))
def sum_unwritten_with_numpy(planted: bool) -> Outputs:
    counts = _partly(3 if planted else 4, 4, dtype=torch.uint8)
    return {"total": torch.tensor(int(counts.cpu().numpy().sum()))}


@planted("an average in which sound NaNs are passed over", tainted("mean", 1, 0, 0, 1))
def average_with_nans(planted: bool) -> Outputs:
    values = _partly(4 if planted else 6, 6)
    values[0] = -1
    roots = values.sqrt()  # the first of them is NaN, and no more than that
    return {"mean": roots[1:].mean(), "first": roots[0]}
