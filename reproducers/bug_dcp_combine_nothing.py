"""Decode context parallelism answers a row of no tokens with NaN instead of nothing.

The tokens of a request lie spread over the ranks. Each rank attends to its own, and what comes of it is
averaged, weighted by the exponential of each rank's log-sum-exp less the largest of them. A rank without
tokens has minus infinity for that, and a weight of 0; a row without tokens on any rank, such as one that pads
a batch, has no weight at all, and was divided by a sum of 0: 0 / 0 is NaN in every element of the row. The
fix divides by at least 1. That changes no other row, because the rank with the largest log-sum-exp has a
weight of exactly 1.

0.5.22 has the same average a second time, in plain torch, mended along with the kernel and for tests alone;
later releases have it outside of the module. That one is not undone here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.facts import (
    Boolean,
    Bug,
    Choice,
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

HEADS, WIDTH = 2, 8
EMPTY = {"minus-inf": -math.inf, "plus-inf": math.inf, "nan": math.nan}
"""What a rank without tokens may say its log-sum-exp is: upstream takes all three for minus infinity."""


def score(head: int, token: int) -> float:
    """A query's product with a key, in so small a range that no rank is negligible."""
    return (3 * token + 2 * head) % 7 / 2


def value(head: int, token: int) -> list[float]:
    return [(5 * token + 3 * head + part) % 11 / 4 for part in range(WIDTH)]


def attend(head: int, tokens: range) -> tuple[list[float], float]:
    """Attention to these tokens, and the sum of its weights; zeros where there is no token."""
    weights = [math.exp(score(head, token)) for token in tokens]
    total = math.fsum(weights)
    parts = zip(*(value(head, token) for token in tokens), strict=True)
    mixed = [sum(w * v for w, v in zip(weights, part, strict=True)) / total for part in parts]
    return mixed or [0.0] * WIDTH, total


def combine(
    lab: KernelLab, *, tokens: tuple[int, ...], ranks: int, empty: str, is_lse_base_on_e: bool
) -> Mapping[str, Any]:
    """Combine what ranks made of rows of so many tokens each, of which every rank has each `ranks`th."""
    import torch

    partial = [
        [[attend(head, range(rank, row, ranks)) for head in range(HEADS)] for row in tokens]
        for rank in range(ranks)
    ]
    base = 1.0 if is_lse_base_on_e else math.log(2)
    sums = [
        [[math.log(total) / base if total else EMPTY[empty] for _, total in row] for row in rows]
        for rows in partial
    ]
    outs = lab.given("outs", torch.tensor([[[out for out, _ in row] for row in rows] for rows in partial]))
    lses = lab.given("lses", torch.tensor(sums))
    lab.note(f"{tokens.count(0)} of {len(tokens)} rows have no tokens")
    merge = lab.upstream("dcp_lse_combine_triton")
    with lab.observe("combine"):
        combined, _ = merge(outs, lses, is_lse_base_on_e=is_lse_base_on_e)
    return {"combined": combined}


def expected(*, tokens: tuple[int, ...], ranks: int, empty: str, is_lse_base_on_e: bool) -> Mapping[str, Any]:
    """Attention to all tokens of a row at once, and 0 where there are none."""
    return {"combined": [[attend(head, range(row))[0] for head in range(HEADS)] for row in tokens]}


def nothing(params: Params) -> bool:
    """Whether some row has no tokens on any rank."""
    return 0 in params["tokens"]


REPRODUCER = Reproducer(
    bug=Bug(
        introduced_in="0.5.17",
        fixed_in="0.5.22",
        symptom="decode context parallelism: NaN in rows that have no tokens, such as those that pad a batch",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="_dcp_lse_combine_kernel",
            replace="acc / tl.maximum(weight_sum, 1.0)",
            by="acc / weight_sum",
        ),
    ),
    kernel=KernelCase(
        call=combine,
        imports=("sglang.kernels.ops.attention.dcp_kernels",),
        emulated=("gfx942", "gfx950"),
        params={
            "tokens": Integers((5, 0, 1), minimum=0, sweep=Lists(lengths=(1, 2, 3), values=(0, 1, 2, 9))),
            "ranks": Integer(2, sweep=(1, 2, 3, 4, 8)),
            "empty": Choice("minus-inf", tuple(EMPTY)),
            "is_lse_base_on_e": Boolean(False),
        },
        grid=Grid(
            # A row of no tokens, rows that leave ranks without any, rows of which every rank has some.
            tokens=[(5, 0, 1), (0,), (1, 2), (9, 8)],
            ranks=[1, 2, 4],
            empty=list(EMPTY),
            is_lse_base_on_e=[False, True],
        ),
        watch=watch("nan", "wrong-value", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(
            absolute=1e-5, relative=1e-5, reason="float32 sums of a few terms, in base 2 too"
        ),
    ),
    expect=Expect(reverted=faults("nan", buffer="combined", only=nothing)),
)
