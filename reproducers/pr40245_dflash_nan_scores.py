"""#40245: a greedy DFlash walk over scores that are no numbers picks no candidate at all.

The best score was NaN then, which equals nothing, so the index stayed one past the last candidate: the first
token of the next slot was taken, of the last slot what lies behind the buffer, and from there on scores were
read from the wrong row. The fix takes the first NaN, as argmax does. Numbers were always right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import (
    Bug,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)


def walk_greedily(lab: KernelLab, *, slots: int, top_k: int, nan_at: int) -> Mapping[str, Any]:
    """Walk one request greedily; the scores of slot `nan_at` are NaN, with -1 those of none."""
    import torch

    scores = torch.arange(slots * top_k * top_k, dtype=torch.float32).reshape(1, slots, top_k, top_k)
    if nan_at >= 0:
        scores[0, nan_at] = float("nan")
    scores = lab.given("scores", scores)
    candidates = lab.given("candidates", 100 + torch.arange(slots * top_k).reshape(1, slots, top_k))
    uniforms = lab.given("uniforms", torch.zeros(1, slots))
    temperatures = lab.given("temperatures", torch.ones(1))
    greedy = lab.given("greedy", torch.ones(1, dtype=torch.bool))
    walk = lab.upstream("selector_walk_triton")
    with lab.observe("walk"):
        tokens, _ = walk(
            candidate_ids=candidates,
            scores=scores,
            uniforms=uniforms,
            temperatures=temperatures,
            greedy_mask=greedy,
        )
    return {"tokens": tokens}


def expected(*, slots: int, top_k: int, nan_at: int) -> Mapping[str, Any]:
    """The last candidate has the best score; where none has one, the first is taken, as argmax does."""
    chosen = [0 if slot == nan_at else top_k - 1 for slot in range(slots)]
    return {"tokens": [[100 + slot * top_k + one for slot, one in enumerate(chosen)]]}


REPRODUCER = Reproducer(
    bug=Bug(
        pr=40245,
        introduced_in="0.5.19",
        fixed_in="0.5.22",
        symptom="tokens of other slots after a draft with NaN logits",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="_selector_walk_kernel",
            remove="is_nan = scores != scores",
        ),
        edit(
            in_function="_selector_walk_kernel",
            replace='best = tl.max(tl.where(is_nan, -float("inf"), scores), axis=0)',
            by="best = tl.max(scores, axis=0)",
        ),
        edit(
            in_function="_selector_walk_kernel",
            remove="has_nan = tl.max(is_nan.to(tl.int32), axis=0) > 0",
        ),
        edit(
            in_function="_selector_walk_kernel",
            remove="hit = tl.where(has_nan, is_nan, scores == best)",
        ),
        edit(
            in_function="_selector_walk_kernel",
            replace="index = tl.min(tl.where(hit, offsets, top_k), axis=0)",
            by="index = tl.min(tl.where(scores == best, offsets, top_k), axis=0)",
        ),
    ),
    kernel=KernelCase(
        call=walk_greedily,
        emulated=("gfx942", "gfx950"),
        imports=("sglang.kernels.ops.speculative.dflash",),
        params={
            "slots": Integer(3),
            "top_k": Integer(4, minimum=2),
            "nan_at": Integer(0, minimum=-1),
        },
        grid=Grid(top_k=[4, 8], nan_at=[-1, 0, 1, 2]),
        watch=watch("wrong-value", "oob-read"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="tokens are whole numbers"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer="tokens", only={"nan_at": [0, 1, 2]})),
)
