"""#30378: the expanded lengths of padded rows are negative.

Speculative decoding on DSA attention expands each request into a row per query token: token i of
qo_len sees kv_len - qo_len + 1 + i tokens. A row that pads the batch of a CUDA graph, or of an idle
rank, has the fill value for its kv_len, which is smaller than qo_len - 1, so that its first lengths
were negative. The top-k kernel reads lengths as unsigned: some four billion tokens, and an illegal
memory access. The fix clamps at 0. Rows with kv_len of at least qo_len - 1 were always right.

The wrapper asserts CUDA, so the case launches the kernel as the wrapper does. The kernel that makes the
same lengths fused with a draft-extend's other metadata was mended along with it; it is not driven here.
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
from reproducers.rigs import moved

LENGTHS = "expanded"
_MODULES = ("sglang.kernels.ops.attention.pad", "sglang.srt.layers.attention.utils")
"""What hands the kernel out: since 0.5.16 its own module, before that one that every release had."""
_UNWRITTEN = -(2**31)


def expand(
    lab: KernelLab, *, extend_seq_lens: tuple[int, ...], seq_lens: tuple[int, ...]
) -> Mapping[str, Any]:
    """Launch the kernel for requests of so many query tokens that see so many tokens, as its wrapper does."""
    import torch
    import triton

    kernel = moved.module(_MODULES).seqlens_expand_kernel
    padded = sum(kv_len < qo_len - 1 for qo_len, kv_len in zip(extend_seq_lens, seq_lens, strict=True))
    lab.note(f"{padded} of {len(seq_lens)} rows have fewer tokens than their queries less one")
    extended = lab.given("extended", torch.tensor(extend_seq_lens, dtype=torch.int32))
    visible = lab.given("visible", torch.tensor(seq_lens, dtype=torch.int32))
    offsets = lab.given("offsets", torch.tensor([0, *accumulate(extend_seq_lens)], dtype=torch.int32))
    # Upstream's is empty memory; this value is no length, so that one left unwritten is seen.
    expanded = lab.given(LENGTHS, torch.full((sum(extend_seq_lens),), _UNWRITTEN, dtype=torch.int32))
    rows, block = len(seq_lens), triton.next_power_of_2(max(extend_seq_lens))
    with lab.observe("expand"):
        kernel[(rows,)](extended, visible, offsets, expanded, rows, BLOCK=block)
    return {LENGTHS: expanded}


def expected(*, extend_seq_lens: tuple[int, ...], seq_lens: tuple[int, ...]) -> Mapping[str, Any]:
    """What each query token sees: every token up to itself, and nothing where there are too few."""
    pairs = zip(extend_seq_lens, seq_lens, strict=True)
    return {LENGTHS: [max(kv_len - behind, 0) for qo, kv_len in pairs for behind in reversed(range(qo))]}


def refuse(params: Params) -> None:
    extend_seq_lens, seq_lens = params["extend_seq_lens"], params["seq_lens"]
    if len(extend_seq_lens) != len(seq_lens):
        raise BadInput(f"extend_seq_lens: give one number for each of the {len(seq_lens)} rows in seq_lens")


def negative(params: Params) -> bool:
    """Whether some row has fewer tokens than its queries less one."""
    pairs = zip(params["extend_seq_lens"], params["seq_lens"], strict=True)
    return any(kv_len < qo_len - 1 for qo_len, kv_len in pairs)


REPRODUCER = Reproducer(
    bug=Bug(
        pr=30378,
        introduced_in="0.5.10",
        fixed_in="0.5.15",
        symptom="DSA with speculative decoding: illegal memory access in top-k for batches with padded rows",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(in_function="seqlens_expand_kernel", replace="values = ANY", by="values = start + offs")
    ),
    kernel=KernelCase(
        call=expand,
        emulated=("gfx942", "gfx950"),
        check=refuse,
        imports=("sglang.srt.layers.attention",),
        params={
            "extend_seq_lens": Integers((4, 4, 4), sweep=Lists(lengths=(1, 2, 3), values=(1, 2, 3, 4, 6))),
            "seq_lens": Integers(
                (9, 1, 1), minimum=0, sweep=Lists(lengths=(1, 2, 3), values=(0, 1, 2, 3, 4, 5, 9))
            ),
        },
        grid=Grid(
            extend_seq_lens=[(4, 4, 4), (1, 1, 1), (2, 6, 3)],
            # No padding, the least that is right for four queries, one less, the fill values 1 and 0.
            seq_lens=[(9, 7, 4), (3, 3, 3), (9, 2, 9), (9, 1, 1), (0, 5, 2)],
        ),
        watch=watch("wrong-value", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="lengths are whole numbers"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer=LENGTHS, only=negative)),
)
