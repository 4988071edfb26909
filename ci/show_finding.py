"""Shows findings that no case of a reproducer shows: each drives real upstream code at one point.

`python ci/show_finding.py row-overflow --sglang 0.5.23`; docs/findings.md says what is to be seen.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.host.environment import CPU_KERNELS
from harness.machine.workspace import default
from harness.source.resolve import resolve

CONTEXT_LEN = 64


def row_overflow(lab: Any) -> Iterator[str]:
    """A request at the context's end beside one of 8 tokens: which of the neighbour's KV indices change."""
    from reproducers.rigs import eagle

    for page_size, tree in ((1, eagle.Tree(8, 5, 32)), (1, eagle.Tree(1, 5, 6)), (4, eagle.Tree(8, 5, 32))):
        asked = eagle.arguments(lab, tree, page_size, 3, "fa3")
        row_len = CONTEXT_LEN + _headroom(asked)  # as upstream makes them
        rig = eagle.rig_of(lab, tree, asked, context_len=CONTEXT_LEN, row_len=row_len, rows=6)
        batch = eagle.prefilled(rig, [CONTEXT_LEN - 1, 8])
        before = rig.req_to_token.req_to_token.clone()
        with lab.observe("prepare_for_decode"):
            batch.prepare_for_decode()
        neighbour = batch.req_pool_indices.tolist()[1]
        changed = (rig.req_to_token.req_to_token != before)[neighbour, :8].nonzero().flatten().tolist()
        yield (
            f"page {page_size}, top-k {tree.topk}, {tree.num_steps} steps, {tree.draft_tokens} draft tokens: "
            f"a row has {before.shape[1]} entries, the request at {CONTEXT_LEN - 1} was given KV up to "
            f"{_allocated(batch.reqs[0])}; entries of its neighbour's prompt rewritten: {changed or 'none'}"
        )


def _headroom(arguments: Any) -> int:
    """What upstream adds to a row beyond the context; releases differ in where and whether they are asked."""
    name = "get_req_to_token_extra_context_len"
    for module in ("sglang.srt.mem_cache.common", "sglang.srt.mem_cache.allocation_sizing"):
        try:
            function = getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError):
            continue
        return int(function(arguments) if function.__code__.co_argcount else function())
    raise SystemExit(f"show_finding: this release has no {name}: try 0.5.15")


def _allocated(request: Any) -> int:
    holder = getattr(request, "kv", request)  # of the request itself up to some release before 0.5.23
    return int(holder.kv_allocated_len)


def window_free(lab: Any) -> Iterator[str]:
    """Free a request whole after its tokens left the window, as callers did up to 0.5.19."""
    from reproducers.rigs.swa import model as swa_model
    from reproducers.rigs.swa import rig as swa

    for page_size in (1, 4):
        sizes = swa_model.Sizes(96, 48, page_size, 8, 40, "float32")
        with swa.rig(lab, sizes) as rig:
            request = swa.admit(rig)
            for _ in range(2):
                swa.extend(rig, request, 20)
            text = f"page {page_size}: {request.evicted} of {request.length} tokens had left the window"
            try:
                rig.allocator.free(request.slots)
            except AssertionError as error:
                yield f"{text}; free of all of them: AssertionError {error}".rstrip()
            else:
                free = rig.allocator.swa_available_size()
                yield f"{text}; free of all of them: {free} of 48 slots are free"


def window_pools(lab: Any) -> Iterator[str]:
    """Which architectures get a pool of their own for sliding-window layers."""
    config: Any = importlib.import_module("sglang.srt.configs.model_config")
    for name in ("Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma4ForCausalLM", "GptOssForCausalLM"):
        own = config.is_hybrid_swa_model([name])
        yield f"{name}: {'a pool of their own' if own else 'one pool for all layers'}"


def seeded_min_p(lab: Any) -> Iterator[str]:
    """Draw a token as deterministic mode does, for a request that asks for min-p."""
    import torch

    draw = importlib.import_module("sglang.srt.layers.sampler").top_k_top_p_min_p_sampling_from_probs_torch
    shares, asked = torch.full((1, 8), 1 / 8), (torch.tensor([8]), torch.tensor([1.0]), torch.tensor([0.1]))
    try:
        draw(shares, *asked, True, torch.tensor([42]), torch.tensor([3]))
    except AssertionError as error:
        yield f"a seed and min-p 0.1: AssertionError {error}"
    else:
        yield "a seed and min-p 0.1: a token is drawn"


def lora_block_sizes(lab: Any) -> Iterator[str]:
    """Look the block sizes of a LoRA kernel up, as each launch of it does."""
    look_up = lab.upstream("get_lora_shrink_config")
    try:
        yield f"block sizes: {look_up(K=32, R=16, num_slices=1, chunk_size=16)}"
    except AttributeError as error:
        yield f"block sizes: AttributeError {error}"


def atomic_exchange(lab: Any) -> Iterator[str]:
    """Compile `tl.atomic_xchg` for AMD's chips, with a tensor that buffer instructions reach, and without."""
    triton = importlib.import_module("triton")
    compiler = importlib.import_module("triton.compiler")
    target = importlib.import_module("triton.backends.compiler").GPUTarget
    kernel = importlib.import_module("harness.tests.gcn.kernels").EXCHANGE
    kinds, constants = {"x": "*i32", "n": "i32", "BLOCK": "constexpr"}, {"BLOCK": 64}
    # What Triton's launch says of a tensor below 2 GiB.
    small = {(0,): [["tt.divisibility", 16], ["tt.pointer_range", 32]]}
    for chip in ("gfx942", "gfx950"):
        for how, facts in (("without buffers", {}), ("with buffers", small)):
            source = compiler.ASTSource(kernel, kinds, constants, facts)
            try:
                made = triton.compile(source, target=target("hip", chip, 64)).asm["amdgcn"]
                (found,) = (line.split()[0] for line in made.splitlines() if "_atomic_" in line)
            except RuntimeError as error:
                found = f"{type(error).__name__} {error}"
            yield f"Triton {triton.__version__}, {chip}, {how}: {found}"


def block_verification(lab: Any) -> Iterator[str]:
    """Verify two drafts, the second under a row of numbers that are no probabilities, in both ways."""
    import torch

    verify = importlib.import_module("sglang.kernels.ops.speculative.reject_sampling")
    target = torch.tensor([[1 / 16, *[1 / 8] * 6, 3 / 16]] * 3)[None]
    slots = torch.arange(3).reshape(1, 3)
    for name, number in (("0", 0.0), ("NaN", float("nan")), ("-inf", float("-inf"))):
        draft = torch.tensor([[1 / 4, *[3 / 28] * 7], [number] * 8])[None]
        for blocks in (False, True):
            tokens, accepted = torch.full((3,), -1), torch.full((1, 3), -1)
            count, coins = torch.full((1,), -1), (torch.full((1, 3), 0.1), torch.tensor([0.2]))
            given = (torch.zeros(1, 3, dtype=torch.int64), slots, slots, slots, *coins, target, draft)
            verify.chain_speculative_sampling_triton(
                tokens, accepted, count, *given, 1.0, 1.0, True, block_verification=blocks
            )
            way = "block by block" if blocks else "token by token"
            yield f"the second row {name}, {way}: {count.item()} accepted, tokens {tokens.tolist()}"


FINDINGS: dict[str, tuple[Callable[[Any], Iterator[str]], tuple[str, ...]]] = {
    "atomic-exchange": (atomic_exchange, ()),
    "lora-block-sizes": (lora_block_sizes, ()),
    "block-verification": (block_verification, ()),
    "row-overflow": (row_overflow, ("sgl_kernel",)),
    "seeded-min-p": (seeded_min_p, ()),
    "window-free": (window_free, ()),
    "window-pools": (window_pools, ()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("finding", choices=FINDINGS)
    parser.add_argument("--sglang", default="installed", help="installed, a release, or a path")
    options = parser.parse_args()
    tree = resolve(options.sglang, default().releases)
    os.environ.update(CPU_KERNELS)
    sys.path.insert(0, str(tree.root))
    show, libraries = FINDINGS[options.finding]
    with tempfile.TemporaryDirectory(prefix="refault-") as folder:
        for line in show(_lab(tree.root / tree.package, libraries, Path(folder))):
            print(f"{tree.version}: {line}")


def _lab(code: Path, stand_ins: tuple[str, ...], folder: Path) -> Any:
    """The lab of a kernel case, in this very process."""
    importlib.import_module("harness.host.preload")  # before upstream, which imports torchvision
    from harness.facts import Host, Platform
    from harness.host import import_stand_ins, libraries, platform_switches
    from harness.memory.oracle import Oracle
    from harness.tiers.kernel.lab import Lab
    from reproducers.rigs import eagle

    import_stand_ins.install()
    libraries.load(eagle.IMPORTS, stand_ins)
    if stand_ins:
        platform_switches.pretend(Platform(Host.CUDA), code.name)
    return Lab(folder=folder, root=code, oracle=Oracle(), entered=lambda kernel: None)


if __name__ == "__main__":
    main()
