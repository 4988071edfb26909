"""#24394: deterministic extend reads a sliding-window layer's new tokens by full-pool slots.

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
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs import pools
from reproducers.rigs.servers import on_cuda, random_load, served
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import rig as swa
from reproducers.rigs.swa.pages import new_pages

SEED = 24394
SERVER_FLAGS = {"enable-deterministic-inference": "", "attention-backend": "triton", "tp": "2"}


def extend_requests(
    lab: KernelLab,
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

    sizes = swa_model.Sizes(full_tokens, swa_tokens, page_size, window, context_len=sum(chunks), dtype=dtype)
    outputs: dict[str, list[Any]] = {kind: [] for kind in swa_model.LAYERS}
    slots: list[tuple[int, int]] = []
    with swa.rig(lab, sizes) as rig:
        for number in range(requests):
            attended, used = _run(rig, _on(lab.device, inputs(number, sum(chunks), dtype)), chunks)
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
        f"{len(apart)} of {len(slots)} new tokens have one slot in the full and another in the window pool; "
        f"for {len(beyond)} the former lies past the window pool's {capacity} slots"
    )


# --- inputs and reference ------------------------------------------------------------------


def inputs(request: int, tokens: int, dtype: str) -> dict[str, list[Any]]:
    """Queries, keys and values of one request by kind of layer, each [tokens, heads, dimension]."""
    import torch

    generator = torch.Generator().manual_seed(SEED + request)
    heads = (swa_model.Q_HEADS, swa_model.KV_HEADS, swa_model.KV_HEADS)
    return {
        kind: [
            torch.randn(tokens, n, swa_model.HEAD_DIM, generator=generator).to(getattr(torch, dtype))
            for n in heads
        ]
        for kind in swa_model.LAYERS
    }


def _on(device: str, given: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {kind: [tensor.to(device) for tensor in tensors] for kind, tensors in given.items()}


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
        kind: torch.stack([_dense(*one[kind], behind=seen[kind]) for one in given])
        for kind in swa_model.LAYERS
    }


def _dense(q: Any, k: Any, v: Any, *, behind: int) -> Any:
    """Causal attention to the `behind` tokens before the query's own and to that one."""
    import torch

    q, k, v = (tensor.to(torch.float64) for tensor in (q, k, v))
    group = swa_model.Q_HEADS // swa_model.KV_HEADS
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    position = torch.arange(len(q))
    back = position[:, None] - position[None, :]
    scores = torch.einsum("qhd,khd->hqk", q, k) * swa_model.SCALING
    scores = scores.masked_fill((back < 0) | (back > behind), float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)


# --- where the bug shows -------------------------------------------------------------------


def check(params: Params) -> None:
    """The pools hold whole pages, and every chunk fits into both."""
    for _ in _pages(params):
        pass


def spaces_part(params: Params) -> bool:
    """Whether new tokens of some chunk lie on another page of the window pool than of the full pool.

    The two free lists are alike until one pool has got back what is still held in the other.
    """
    return any(full != window for full, window in _pages(params))


def _pages(params: Params) -> Iterator[tuple[int, int]]:
    return new_pages(**{name: value for name, value in params.items() if name != "dtype"})


_KERNEL = KernelCase(
    call=extend_requests,
    check=check,
    reference=dense_attention,
    tolerance=Tolerance(
        absolute=4e-3,
        relative=4e-3,
        reason="float16 keeps 11 bits of keys, values, weights and outputs; a wrong slot shows in tenths",
    ),
    imports=(swa_model.BACKEND, swa_model.POOL),
    ahead=pools.AHEAD,
    emulated=("gfx942", "gfx950"),
    params={
        "full_tokens": Integer(96),
        "swa_tokens": Integer(48),
        "window": Integer(8),
        "page_size": Integer(1),
        "chunks": Integers((20, 20)),
        "requests": Integer(2),
        "dtype": Choice("float32", swa_model.DTYPES),
    },
    grid=Grid(full_tokens=[48, 96], page_size=[1, 4], requests=[1, 2]),
    watch=watch("oob-read", "oob-write", "wrong-value", "nan"),
)

REPRODUCER = Reproducer(
    bug=Bug(
        issue=24394,
        fixed_in="0.5.12",
        symptom="illegal access or wrong attention in deterministic extend of a hybrid sliding-window model",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="google/gemma-4-26B-A4B-it",
        launches=on_cuda(SERVER_FLAGS, note="reported on CUDA; the Triton kernel is the same"),
        client=random_load(2048, 256, prompts=200, at_once=128),
        expect="an illegal memory access once requests have come and gone, or wrong tokens without one",
    ),
    revert=Revert(
        # What is assigned under this condition changed over the releases: the pool's cached
        # slots, a translation, a field of the forward metadata. The condition did not.
        edit(
            in_function="TritonAttnBackend._forward_extend_unified",
            remove="if ANY and ANY and isinstance(pool, SWAKVPool) and pool.layers_mapping[ANY][1]: ...",
        ),
    ),
    kernel=_KERNEL,
    device=_KERNEL.on("cuda"),
    server=served(
        "tiny-swa",
        flags={
            "attention-backend": "triton",
            "enable-deterministic-inference": "",
            "page-size": "1",
            "max-total-tokens": "{tokens}",
            "max-running-requests": "{running}",
            "swa-full-tokens-ratio": "0.4",
            "chunked-prefill-size": "64",
        },
        # In deterministic mode the scheduler cuts prompts at multiples of this, by default of 4096: a
        # prompt that is longer than a smaller chunk would wait for ever.
        environment={"SGLANG_TRITON_PREFILL_TRUNCATION_ALIGN_SIZE": "16"},
        params={
            "load": Choice("churn", ("churn", "report")),
            "tokens": Integer(800),
            "running": Integer(8),
        },
        loads={
            "report": Traffic(
                seed=24394, requests=200, prompt_tokens=(30, 180), output_tokens=16, concurrency=128
            ),
        },
        # More tokens than the window pool has slots, so that these are used again, but not at once: what
        # is retracted is extended anew, where a token's window is one longer than in decode.
        traffic=Traffic(
            seed=24394,
            requests=6,
            prompt_tokens=(30, 90),
            output_tokens=4,
            concurrency=3,
            rounds=2,
            alone=1,
        ),
        watch=watch("oob-read", "oob-write", "wrong-value", "nan"),
    ),
    expect=Expect(
        reverted=faults("oob-read", kernel="_fwd_kernel_unified", only=spaces_part),
        device_kernel=faults("nan", buffer="sliding_window", only=spaces_part),
        server=faults("oob-read", kernel="_fwd_kernel_unified"),
        device=faults("wrong-value", buffer="tokens"),  # no oracle in a compiled kernel: it shows in answers
    ),
)
