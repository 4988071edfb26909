"""#33431: a padded row of a chunked extend reads and writes the states before the pool.

A gated delta rule keeps one state per request and head in a slot of a pool. A row that pads a batch has slot
-1. The decode kernel leaves such a row alone; the chunked extend kernel made an address of it, so that the
row loaded the state before the pool's first one, and stored its own there at the end: into the memory of
whoever lies before the pool, silently or as an illegal access. A row without tokens does so, too. The fix
starts a padded row from zeros and does not store its state.

The case passes no gate: Triton's interpreter does not know a builtin that upstream binds to another name.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import given_slots, moved
from reproducers.rigs.servers import on_both, random_load

STATES = "initial_state"
KERNEL = "chunk_gated_delta_rule_fwd_kernel_h_blockdim64"
_MODULES = ("sglang.kernels.ops.attention.fla.chunk_delta_h", "sglang.srt.layers.attention.fla.chunk_delta_h")
"""Where the kernel is: since 0.5.16 among upstream's kernels."""
_POOL, _CHUNK = 4, 64


def extend(
    lab: KernelLab, *, lengths: tuple[int, ...], slots: tuple[int, ...], heads: int, head_dim: int
) -> Mapping[str, Any]:
    """Run rows of so many tokens through the states of these slots.

    Each token's key, value and weight are one number over the whole head, and so is each state: what comes
    out is the same whether a release keeps a state by keys or by values.
    """
    import torch

    lab.note(f"{sum(slot < 0 for slot in slots)} of {len(slots)} rows have no slot")
    rows = torch.tensor([_token(index) for index in range(sum(lengths))], dtype=torch.float32)
    wide = rows.reshape(1, -1, 3, 1, 1).expand(-1, -1, -1, heads, head_dim)
    k, u, w = (lab.given(name, wide[:, :, at].contiguous()) for at, name in enumerate(("k", "u", "w")))
    states = torch.tensor([_state(slot) for slot in range(_POOL)], dtype=torch.float32).reshape(-1, 1, 1, 1)
    initial_state = lab.given(STATES, states.repeat(1, heads, head_dim, head_dim))
    indices = lab.given("indices", torch.tensor(slots, dtype=torch.int32))
    cu_seqlens = lab.given("cu_seqlens", torch.tensor([0, *accumulate(lengths)], dtype=torch.int64))
    run = moved.module(_MODULES).chunk_gated_delta_rule_fwd_h
    with lab.observe("extend"):
        run(k=k, w=w, u=u, initial_state=initial_state, initial_state_indices=indices, cu_seqlens=cu_seqlens)
    return {
        "states": initial_state[:, :, 0, 0],
        "spread": initial_state.amax((1, 2, 3)) - initial_state.amin((1, 2, 3)),
    }


def _token(index: int) -> tuple[float, float, float]:
    """A token's key, value and weight, each a number of few bits."""
    return (index % 3 + 1) / 8, (index % 5 - 2) / 4, (index % 2 + 1) / 128


def _state(slot: int) -> float:
    return (slot + 1) / 4


def expected(
    *, lengths: tuple[int, ...], slots: tuple[int, ...], heads: int, head_dim: int
) -> Mapping[str, Any]:
    """The delta rule, a chunk at a time, in the slots of rows that have one; all others as they were."""
    states = [_state(slot) for slot in range(_POOL)]
    first = 0
    for length, slot in zip(lengths, slots, strict=True):
        tokens = [_token(first + index) for index in range(length)]
        first += length
        for chunk in (
            tokens[start : start + _CHUNK] for start in range(0, length if slot >= 0 else 0, _CHUNK)
        ):
            before = states[slot]
            states[slot] += sum(key * (value - weight * before * head_dim) for key, value, weight in chunk)
    return {"states": [[state] * heads for state in states], "spread": [0] * _POOL}


def refuse(params: Params) -> None:
    lengths, slots = params["lengths"], params["slots"]
    given_slots.refuse_unpaired("lengths", lengths, "slots", slots)
    if not sum(lengths):
        raise BadInput("lengths: a batch has a token: raise one")
    given_slots.refuse("slots", slots, _POOL)
    if params["head_dim"] not in (64, 128):
        raise BadInput("head_dim: give 64 or 128")


def is_padded(params: Params) -> bool:
    """Whether some row has no slot."""
    return bool(min(params["slots"]) < 0)


REPRODUCER = Reproducer(
    bug=Bug(
        pr=33431,
        fixed_in="0.5.17",
        symptom="models with gated delta rules: illegal access or changed weights after a padded extend",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="Qwen/Qwen3-Next-80B-A3B-Instruct",
        launches=on_both({"tp-size": "4", "attention-backend": "triton"}),
        client=random_load(1024, 32, prompts=64, at_once=16),
        expect="an illegal access in, or answers that change after, a batch of prompts that was padded",
    ),
    revert=Revert(
        edit(in_function=KERNEL, replace="USE_INITIAL_STATE and valid_state", by="USE_INITIAL_STATE"),
        edit(in_function=KERNEL, replace="INPLACE_UPDATE and valid_state", by="INPLACE_UPDATE"),
    ),
    kernel=KernelCase(
        call=extend,
        check=refuse,
        imports=("sglang.srt.layers.attention",),
        params={
            "lengths": Integers((5, 3, 2), minimum=0, sweep=Lists(lengths=(1, 2, 3), values=(0, 1, 5, 70))),
            "slots": Integers((1, 2, -1), minimum=-1, sweep=Lists(lengths=(1, 2, 3), values=(-1, 0, 1, 3))),
            "heads": Integer(1, sweep=(1, 2)),
            "head_dim": Integer(64, sweep=(64, 128)),
        },
        # A row without tokens, one of two chunks, and batches without padding.
        grid=Grid(lengths=[(5, 3, 0), (70, 1, 2)], slots=[(1, 2, -1), (-1, 0, 3), (3, 0, 1)]),
        watch=watch("oob-write", "oob-read", "wrong-value"),
        reference=expected,
        tolerance=Tolerance(absolute=1e-5, relative=1e-5, reason="sums of 70 float32 products"),
        emulated=("gfx942", "gfx950"),
    ),
    expect=Expect(reverted=faults("oob-write", buffer=STATES, kernel=KERNEL, only=is_padded)),
)
