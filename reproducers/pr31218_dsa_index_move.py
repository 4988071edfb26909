"""#31218: moving accepted tokens moves whole pages of the sparse indexer's keys, by the tokens' numbers.

DeepSeek's sparse attention keeps, beside the KV of each token, a key of its indexer, with a scale: by pages,
in which all keys stand before all scales. Speculative decoding moves the tokens that it accepts to the front
of a request's slots, and the keys with them. The move took token slots for rows of that table, which are
pages: slots past the number of pages are an index error, and lower ones overwrite the keys of a page of other
tokens with those of another, so that attention looks at the wrong tokens, silently. The fix computes page
and offset of each token. At page size 1 the two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from reproducers.rigs import given_slots, pools
from reproducers.rigs.servers import EAGLE3, on_cuda, random_load

PAGE = 64
"""Upstream takes no other off ROCm."""
_KEY_BYTES, _SCALE_BYTES = 128, 4
_DIM = 8


def move(
    lab: KernelLab, *, pages: int, source: tuple[int, ...], target: tuple[int, ...]
) -> Mapping[str, Any]:
    """Move tokens between slots of a pool of so many pages; returns every token's key and scale.

    Of these pages upstream has one for padding.
    """
    import torch

    lab.single_rank()
    with lab.configuration(page_size=PAGE), lab.undivided():
        pool = pools.dsa(_DIM, _KEY_BYTES)((pages - 1) * PAGE, PAGE, lab.device)
        (index_k,) = pools.index_keys(pool)
        tokens = torch.tensor(_keys(pages), dtype=torch.uint8).reshape(-1, PAGE, 1)
        keys = index_k[:, : PAGE * _KEY_BYTES].view(-1, PAGE, _KEY_BYTES)
        scales = index_k[:, PAGE * _KEY_BYTES :].view(-1, PAGE, _SCALE_BYTES)
        keys.copy_(tokens.expand_as(keys))
        scales.copy_(tokens.expand_as(scales))
        source_slots, target_slots = torch.tensor(source), torch.tensor(target)
        with lab.observe("move"):
            pool.move_kv_cache(target_slots, source_slots)
        return {name: part.amin(2).flatten().int() for name, part in (("keys", keys), ("scales", scales))}


def _keys(pages: int) -> list[int]:
    """A number for each token that its neighbours do not have."""
    return [token % 251 for token in range(pages * PAGE)]


def expected(*, pages: int, source: tuple[int, ...], target: tuple[int, ...]) -> Mapping[str, Any]:
    """The targets have what the sources had, and all others what they had."""
    keys = _keys(pages)
    for slot, token in zip(target, [keys[slot] for slot in source], strict=True):
        keys[slot] = token
    return {"keys": keys, "scales": keys}


def refuse(params: Params) -> None:
    source, target, slots = params["source"], params["target"], params["pages"] * PAGE
    given_slots.refuse_unpaired("source", source, "target", target)
    if max(source) >= slots:
        raise BadInput(f"source: {max(source)} is none of the {slots} slots: lower it")
    given_slots.refuse("target", target, slots)


def moves_pages(params: Params) -> bool:
    """Whether some slot is no page, or its page is given to another."""
    source, target = params["source"], params["target"]
    return bool(source != target or max(source) >= params["pages"])


_REPORTED = {
    **EAGLE3,
    "speculative-algorithm": "EAGLE",
    "tp": "8",
    "attention-backend": "dsa",
    "trust-remote-code": "",
}

REPRODUCER = Reproducer(
    bug=Bug(
        pr=31218,
        introduced_in="0.5.13",
        fixed_in="0.5.23",
        symptom="sparse attention with a tree of drafts: an index error in the move of accepted tokens",
    ),
    requires=frozenset({"torch"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V3.2",
        launches=on_cuda(
            _REPORTED, note="without aiter's shuffled keys pages have one token, and the move is right"
        ),
        client=random_load(4096, 256, prompts=64, at_once=16),
        expect="a device assertion of an index, in the first verify step that accepts a token off the front",
    ),
    revert=Revert(
        edit(in_function="IndexKeyCache.move", remove="key_bytes = ANY"),
        edit(
            in_function="IndexKeyCache.move",
            replace="for index_k in self.buffer: ...",
            by="""
for index_k in self.buffer:
    if len(index_k):
        index_k[tgt_loc_flat] = index_k[src_loc_flat]
""",
        ),
    ),
    formerly=("DSATokenToKVPool.move_kv_cache",),  # up to 0.5.17
    kernel=KernelCase(
        call=move,
        check=refuse,
        imports=("sglang.srt.mem_cache.memory_pool",),
        ahead=("sglang.srt.sampling.sampling_batch_info", "sglang.srt.arg_groups.pipeline"),
        params={
            "pages": Integer(5, minimum=2, sweep=(2, 5)),
            "source": Integers((130, 131), minimum=0, sweep=Lists(lengths=(1, 2), values=(0, 2, 4, 70, 127))),
            "target": Integers((65, 66), minimum=0, sweep=Lists(lengths=(1, 2), values=(0, 3, 4, 71, 126))),
        },
        # Slots past the pages, slots that are pages of others, and tokens that stay.
        grid=Grid(source=[(130, 131), (2, 3), (4, 1)], target=[(130, 131), (2, 3), (4, 1), (0, 200)]),
        watch=watch("index-range", "wrong-value", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="bytes are copied, not computed"),
        seconds=300.0,
    ),
    expect=Expect(reverted=faults("index-range", buffer="index_k", only=moves_pages)),
)
