"""Issue #24394: deterministic extend reads a sliding-window layer's new tokens by full-pool slots.

A hybrid model keeps two KV pools, and a token has another slot in each. The pool stores the new
keys and values of a sliding-window layer under slots of the window pool, but the unified extend
kernel of deterministic mode was given their slots of the full pool. In a fresh pool both agree.
After some churn the kernel reads past the window pool, or, where the stray slot lies inside it,
attends to other tokens' keys and values without a word. The fix translates the slots first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.facts import (
    Bug,
    Choice,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    Params,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import swa

SEED = 24394


def extend_requests(
    lab: Any,
    *,
    full_tokens: int,
    swa_tokens: int,
    window: int,
    page_size: int,
    chunks: tuple[int, ...],
    requests: int,
    dtype: str,
) -> Mapping[str, Any]:
    """Run requests one after another, each in chunks and freed when done.

    Returns the attention of every token by kind of layer, [requests, tokens, query heads, dimension].
    """
    import torch

    sizes = dict(full_tokens=full_tokens, swa_tokens=swa_tokens, page_size=page_size)
    outputs: dict[str, list[Any]] = {kind: [] for kind in swa.LAYERS}
    slots: list[tuple[int, int]] = []
    with swa.rig(lab, **sizes, window=window, context_len=sum(chunks), dtype=dtype) as rig:
        for number in range(requests):
            attended, used = _run(rig, inputs(number, sum(chunks), dtype), chunks)
            slots += used
            for kind, values in attended.items():
                outputs[kind].append(values)
    lab.note(_parting(slots, swa_tokens + page_size))
    return {kind: torch.stack(values) for kind, values in outputs.items()}


def _run(
    rig: swa.Rig, given: Mapping[str, Sequence[Any]], chunks: tuple[int, ...]
) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """One request: its attention by kind of layer, and the slots of its tokens in both pools."""
    import torch

    request = swa.admit(rig)
    parts: dict[str, list[Any]] = {kind: [] for kind in given}
    slots: list[tuple[int, int]] = []
    for chunk in chunks:
        begin = request.length
        batch = swa.extend(rig, request, chunk)
        new = request.slots[begin:]
        slots += zip(new.tolist(), swa.translated(rig, new).tolist(), strict=True)
        for kind, tensors in given.items():
            parts[kind].append(swa.attend(rig, kind, batch, *(t[begin : begin + chunk] for t in tensors)))
    swa.finish(rig, request)
    return {kind: torch.cat(values) for kind, values in parts.items()}, slots


def _parting(slots: Sequence[tuple[int, int]], capacity: int) -> str:
    apart = [full for full, window in slots if full != window]
    beyond = [full for full in apart if full >= capacity]
    return (
        f"{len(apart)} of {len(slots)} new tokens have another slot in the window pool than in the full pool; "
        f"for {len(beyond)} the latter lies past the window pool's {capacity} slots"
    )


# --- inputs and reference ------------------------------------------------------------------


def inputs(request: int, tokens: int, dtype: str) -> dict[str, list[Any]]:
    """Queries, keys and values of one request by kind of layer, each [tokens, heads, dimension]."""
    import torch

    generator = torch.Generator().manual_seed(SEED + request)
    heads = (swa.Q_HEADS, swa.KV_HEADS, swa.KV_HEADS)
    return {
        kind: [torch.randn(tokens, n, swa.HEAD_DIM, generator=generator).to(getattr(torch, dtype)) for n in heads]
        for kind in swa.LAYERS
    }


def dense_attention(
    *,
    full_tokens: int,
    swa_tokens: int,
    window: int,
    page_size: int,
    chunks: tuple[int, ...],
    requests: int,
    dtype: str,
) -> Mapping[str, Any]:
    """What every token attends to, in float64 and without a cache: no pool, page or chunk matters."""
    import torch

    tokens = sum(chunks)
    seen = {"sliding_window": window, "full": tokens}
    given = [inputs(number, tokens, dtype) for number in range(requests)]
    return {
        kind: torch.stack([_dense(*one[kind], behind=seen[kind]) for one in given]) for kind in swa.LAYERS
    }


def _dense(q: Any, k: Any, v: Any, *, behind: int) -> Any:
    """Causal attention to the `behind` tokens before the query's own and to that one."""
    import torch

    q, k, v = (tensor.to(torch.float64) for tensor in (q, k, v))
    group = swa.Q_HEADS // swa.KV_HEADS
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    position = torch.arange(len(q))
    back = position[:, None] - position[None, :]
    scores = torch.einsum("qhd,khd->hqk", q, k) * swa.SCALING
    scores = scores.masked_fill((back < 0) | (back > behind), float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)


# --- where the bug shows -------------------------------------------------------------------


def spaces_part(params: Params) -> bool:
    """Whether some new token's slot in the window pool is not its slot in the full pool.

    Follows both allocators' free lists page by page: single slots are given out first in, first
    out; pages freed together go back to the front, sorted. The two lists are alike until one
    pool has freed what the other still holds.
    """
    return any(full != window for full, window in _new_pages(params))


def _new_pages(params: Params) -> Iterator[tuple[int, int]]:
    """The pages that receive new tokens, in the full and in the window pool."""
    page = params["page_size"]
    full, window = (list(range(1, params[size] // page + 1)) for size in ("full_tokens", "swa_tokens"))
    for _ in range(params["requests"]):
        held: list[tuple[int, int]] = []
        length = evicted = 0
        for chunk in params["chunks"]:
            gone = max(evicted, (length - params["window"]) // page)
            _give_back(window, [slot for _, slot in held[evicted:gone]], page)
            begin, evicted, length = length // page, gone, length + chunk
            while len(held) * page < length:
                held.append((full.pop(0), window.pop(0)))
            yield from held[begin:]
        _give_back(full, [slot for slot, _ in held], page)
        _give_back(window, [slot for _, slot in held[evicted:]], page)


def _give_back(free: list[int], pages: list[int], page_size: int) -> None:
    free[:] = free + pages if page_size == 1 else sorted(pages) + free


REPRODUCER = Reproducer(
    bug=Bug(
        issue=24394,
        fixed_in="0.5.12",
        symptom="illegal access or wrong attention in deterministic extend of a hybrid sliding-window model",
    ),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        # What is assigned under this condition changed over the releases: the pool's cached
        # slots, a translation, a field of the forward metadata. The condition did not.
        edit(
            in_function="TritonAttnBackend._forward_extend_unified",
            remove="if ANY and ANY and isinstance(pool, SWAKVPool) and pool.layers_mapping[ANY][1]: ...",
        ),
    ),
    kernel=KernelCase(
        call=extend_requests,
        reference=dense_attention,
        tolerance=Tolerance(
            absolute=4e-3,
            relative=4e-3,
            reason="float16 keeps 11 bits of keys, values, weights and outputs; a wrong slot moves an output by tenths",
        ),
        imports=(swa.BACKEND, swa.POOL),
        params={
            "full_tokens": Integer(96),
            "swa_tokens": Integer(48),
            "window": Integer(8),
            "page_size": Integer(1),
            "chunks": Integers((20, 20)),
            "requests": Integer(2),
            "dtype": Choice("float32", swa.DTYPES),
        },
        grid=Grid(full_tokens=[48, 96], page_size=[1, 4], requests=[1, 2]),
        watch=watch("oob-read", "oob-write", "wrong-value", "nan"),
    ),
    expect=Expect(reverted=faults("oob-read", kernel="_fwd_kernel_unified", only=spaces_part)),
)
