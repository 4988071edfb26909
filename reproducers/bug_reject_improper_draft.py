"""Rejection sampling accepts draft tokens whose draft probability is no probability.

A drafted token is accepted where a coin times its draft probability is below its target probability. If the
draft's number is minus infinity or 0, as rows of masked or overflown logits leave it, that is so with every
coin, and above 1 with some that it should not be: tokens are answered that the target would have drawn far
less often, or never. The fix takes a number above 0 and at most 1 alone; any other is a rejection, and the
target's residual gives the token. NaN was always rejected. The fix also keeps such numbers out of the
residual; that part is not undone here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

DRAFTS = {
    "proper": 0.5,
    "one": 1.0,
    "zero": 0.0,
    "minus-inf": float("-inf"),
    "above-one": 2.0,
    "nan": float("nan"),
}
"""What the draft says of its token in the slot in question. Every number here is exact in float32."""
COINS = 64
"""A coin is so many of these parts of 1."""
LAST_COIN = 1 / 2


def target(slot: int, at: int) -> list[float]:
    """The target's probabilities of eight tokens in one slot; the draft's token is the first."""
    return [1 / 16, *[1 / 8] * 6, 3 / 16] if slot == at else [1 / 2, *[1 / 16] * 6, 1 / 8]


def draft(slot: int, at: int, word: str) -> list[float]:
    """The draft's, which are at most 1 in all other slots."""
    return [DRAFTS[word] if slot == at else 1 / 2, *[1 / 16] * 7]


def refuse(point: Params) -> None:
    """The last slot has no draft, and a coin is below 1."""
    if point["at"] >= point["slots"] - 1:
        raise BadInput(f"at={point['at']}: of {point['slots']} slots the last has no draft: give less")
    if point["coin"] >= COINS:
        raise BadInput(f"coin={point['coin']}: is counted in parts of 1/{COINS}: give less")


def verify(lab: KernelLab, *, drafted: str, coin: int, at: int, slots: int) -> Mapping[str, Any]:
    """Verify the drafts of one request: token 0 in each slot but the last, whose token the target gives."""
    import torch

    rows = range(slots)
    target_probs = lab.given("target_probs", torch.tensor([[target(row, at) for row in rows]]))
    draft_probs = lab.given("draft_probs", torch.tensor([[draft(row, at, drafted) for row in rows[:-1]]]))
    candidates = lab.given("candidates", torch.zeros(1, slots, dtype=torch.int64))
    slots_of = lab.given("slots_of", torch.arange(slots).reshape(1, slots))
    coins = lab.given("coins", torch.full((1, slots), coin / COINS))
    last_coin = lab.given("last_coin", torch.full((1,), LAST_COIN))
    predicts = lab.given("predicts", torch.full((slots,), -1, dtype=torch.int32))
    accepted = lab.given("accepted", torch.full((1, slots), -1, dtype=torch.int32))
    count = lab.given("count", torch.full((1,), -1, dtype=torch.int32))
    sample = lab.upstream("chain_speculative_sampling_triton")
    with lab.observe("verify"):
        sample(
            predicts=predicts,
            accept_index=accepted,
            accept_token_num=count,
            candidates=candidates,
            retrive_index=slots_of,
            retrive_next_token=slots_of,
            retrive_next_sibling=slots_of,
            uniform_samples=coins,
            uniform_samples_for_final_sampling=last_coin,
            target_probs=target_probs,
            draft_probs=draft_probs,
            threshold_single=1.0,
            threshold_acc=1.0,
            deterministic=True,
        )
    return {"predicts": predicts, "accepted": accepted, "count": count}


def expected(*, drafted: str, coin: int, at: int, slots: int) -> Mapping[str, Any]:
    """Rejection sampling as it is defined, where a number that is no probability is a rejection."""
    number = 0
    while number < slots - 1 and is_accepted(coin, draft(number, at, drafted)[0], target(number, at)[0]):
        number += 1
    weights = target(number, at)
    if number < slots - 1:
        drawn = [one if 0 <= one <= 1 else 0.0 for one in draft(number, at, drafted)]
        weights = [max(ours - theirs, 0.0) for ours, theirs in zip(weights, drawn, strict=True)]
    left = slots - 1 - number
    return {
        "predicts": [0] * number + [pick(weights)] + [-1] * left,
        "accepted": [[*range(number + 1), *[-1] * left]],
        "count": [number],
    }


def is_accepted(coin: int, by_draft: float, by_target: float) -> bool:
    return 0 < by_draft <= 1 and coin / COINS * by_draft < by_target


def pick(weights: Sequence[float]) -> int:
    """The first token up to which more than the coin's share of all weight lies."""
    share = LAST_COIN * sum(weights)
    return next(token for token in range(len(weights)) if sum(weights[: token + 1]) > share)


def improper(params: Params) -> bool:
    """Whether the draft's number is no probability, and the coin times it is below the target's."""
    by_draft, by_target = DRAFTS[params["drafted"]], target(0, 0)[0]
    return not 0 < by_draft <= 1 and params["coin"] / COINS * by_draft < by_target


REPRODUCER = Reproducer(
    bug=Bug(
        introduced_in="0.5.14",
        fixed_in="0.5.21",
        symptom="tokens that the target hardly ever draws, after drafts with -inf or 0 for a probability",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="speculative_sampling_classic_kernel",
            replace="q_is_prob & (coin * q < p)",
            by="coin * q < p",
        )
    ),
    kernel=KernelCase(
        call=verify,
        emulated=("gfx942", "gfx950"),
        imports=("sglang.srt.speculative",),
        params={
            "drafted": Choice("minus-inf", tuple(DRAFTS)),
            "coin": Integer(1, minimum=0),
            "at": Integer(0, minimum=0),
            "slots": Integer(4, minimum=2),
        },
        check=refuse,
        grid=Grid(drafted=list(DRAFTS), coin=[1, 6], at=[0, 2]),
        watch=watch("wrong-value", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="tokens, slots and counts are whole numbers"),
    ),
    expect=Expect(reverted=faults("wrong-value", only=improper)),
)
