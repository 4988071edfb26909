"""ROCm's stores into DeepSeek-V4's caches wrap around past 2 GiB, and write before the cache.

On ROCm two Triton kernels quantise a token and store it into a paged cache: one the latent KV with its
scales, the other the sparse indexer's key with its scale. Both computed byte offsets in 32 bits, so that a
page whose bytes lie past 2^31 got a negative offset: the store hits whatever lies up to 2 GiB before the
cache, as a memory fault of a rank or silently. A cache of one layer is that large on an MI300X: it shows once
the allocator's slots have climbed there. The fix widens the slot. The cache's memory is reserved here, and
but for the tokens' own pages never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import (
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
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import given_slots, moved
from reproducers.rigs.servers import on_rocm, random_load

_MODULES = ("sglang.kernels.ops.kvcache.triton_store_cache", "sglang.jit_kernel.triton_store_cache")
"""What dispatches the stores on ROCm: since 0.5.17 among upstream's kernels."""
_LIMIT = 2**31
_WIDTH = {"flashmla": 512, "indexer": 128}
_PAGE_SIZE = {"flashmla": 256, "indexer": 64}
_SLOT = {"flashmla": 576, "indexer": 128}
"""Bytes of a slot without its scales, which come behind all slots of a page."""
_PAGE = {"flashmla": 149760, "indexer": 64 * 132}
"""Bytes of a page: the first one's are rounded up to whole slots."""
_STORED, _EXPONENT_BIAS = 256.0, 127
"""A power of two is stored as the largest that float8_e4m3 takes, and its scale as an exponent."""


def store(lab: KernelLab, *, cache: str, past: int, slots: tuple[int, ...]) -> Mapping[str, Any]:
    """Store a token in each of these slots of the page that is `past` pages behind the one at 2 GiB.

    Token i is 2^i everywhere. Returns what is found in the slots.
    """
    import numpy as np
    import torch

    page = page_at_limit(cache) + past
    lab.note(f"page {page}, whose first byte is {page * _PAGE[cache]}")
    memory = torch.from_numpy(np.zeros((page + 1, _PAGE[cache]), dtype=np.uint8))  # reserved, not touched
    kv_cache = lab.given("kv_cache", memory)
    values = torch.tensor([2.0**token for token in range(len(slots))], dtype=torch.bfloat16)
    tokens = lab.given("tokens", values.reshape(-1, 1).repeat(1, _WIDTH[cache]))
    indices = lab.given("indices", torch.tensor(slots, dtype=torch.int32) + page * _PAGE_SIZE[cache])
    upstream = moved.module(_MODULES)
    with lab.observe("store"):
        upstream.triton_fused_store_cache(tokens, kv_cache, indices, page_size=_PAGE_SIZE[cache], type=cache)
    return _found(kv_cache[page], cache, slots)


def _found(page: Any, cache: str, slots: tuple[int, ...]) -> dict[str, Any]:
    """The first and the last element of each slot, and its first scale."""
    import torch

    width, behind = _SLOT[cache], _SLOT[cache] * _PAGE_SIZE[cache]
    last = 447 if cache == "flashmla" else width - 1
    stored = page.view(torch.float8_e4m3fn)
    keys = [[float(stored[slot * width + at]) for at in (0, last)] for slot in slots]
    if cache == "flashmla":
        return {"keys": keys, "scales": [int(page[behind + 8 * slot]) for slot in slots]}
    scales = page[behind:].view(torch.float32)
    return {"keys": keys, "scales": [float(scales[slot]) for slot in slots]}


def expected(*, cache: str, past: int, slots: tuple[int, ...]) -> Mapping[str, Any]:
    """A power of two, divided by its scale, in each slot."""
    if cache == "flashmla":
        scales = [token - 8 + _EXPONENT_BIAS for token in range(len(slots))]
        return {"keys": [[_STORED] * 2] * len(slots), "scales": scales}
    return {"keys": [[448.0] * 2] * len(slots), "scales": [2.0**token / 448 for token in range(len(slots))]}


def page_at_limit(cache: str) -> int:
    """The page in which the byte at 2 GiB lies."""
    return _LIMIT // _PAGE[cache]


def refuse(params: Params) -> None:
    given_slots.refuse("slots", params["slots"], _PAGE_SIZE[params["cache"]])


def wraps(params: Params) -> bool:
    """Whether a byte that is stored lies past 2 GiB; scales lie behind all slots of their page."""
    cache = params["cache"]
    first = (page_at_limit(cache) + params["past"]) * _PAGE[cache]
    behind = _SLOT[cache] * _PAGE_SIZE[cache]
    scale = 8 if cache == "flashmla" else 0  # the indexer's are addressed as float32
    return bool(max(params["slots"]) * _SLOT[cache] + first >= _LIMIT or (scale and first + behind >= _LIMIT))


_REPORTED = {"tp": "8", "trust-remote-code": "", "page-size": "256"}

REPRODUCER = Reproducer(
    bug=Bug(
        introduced_in="0.5.13",
        fixed_in="0.5.21",
        symptom="DeepSeek-V4 on ROCm: a memory access fault once the cache's slots pass 2 GiB",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V4-Flash",
        launches=on_rocm(
            _REPORTED,
            cuda=_REPORTED,
            note="the nearest there is: CUDA stores by a kernel of its own, so the bug cannot show",
        ),
        client=random_load(8192, 256, prompts=4096, at_once=256),
        expect="after minutes of load a memory access fault in prefill, on every rank",
    ),
    revert=Revert(
        *(
            edit(
                in_function=kernel,
                replace="loc = tl.load(indices_ptr + token_id).to(tl.int64)",
                by="loc = tl.load(indices_ptr + token_id).to(tl.int32)",
            )
            for kernel in ("_triton_fused_store_flashmla_kernel", "_triton_fused_store_indexer_kernel")
        )
    ),
    kernel=KernelCase(
        call=store,
        check=refuse,
        imports=("sglang.srt.layers.attention",),
        ahead=("sglang.srt.layers.attention.dsa.utils",),
        params={
            "cache": Choice("flashmla", tuple(_PAGE)),
            "past": Integer(1, minimum=-2, sweep=(-1, 0, 1)),
            "slots": Integers((5, 7), minimum=0, sweep=Lists(lengths=(1, 2), values=(0, 5, 7, 63))),
        },
        # The page before, which is right, and the one that 2 GiB cut: all below, and one slot above.
        grid=Grid(cache=list(_PAGE), past=[-1, 0, 1], slots=[(5, 7), (0, 63)]),
        watch=watch("oob-write", "oob-read", "wrong-value"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=1e-6, reason="powers of two, and one float32 quotient"),
        emulated=("gfx942", "gfx950"),
        seconds=300.0,
    ),
    expect=Expect(
        reverted=faults("oob-write", kernel="_triton_fused_store_flashmla_kernel", only=wraps),
    ),
)
