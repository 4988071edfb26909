"""Upstream's EAGLE draft with real pools, requests and allocation: what a draft step starts from."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs import pools
from reproducers.rigs.arguments import publish
from reproducers.rigs.pools import Pools

HIDDEN_SIZE = 8
HEAD_DIM = 8
VOCABULARY = 16
ALGORITHM = "EAGLE3"
IMPORTS = ("sglang.srt.managers.schedule_batch", "sglang.srt.speculative.eagle_worker_v2")


@dataclass(frozen=True)
class Tree:
    """How far a draft looks ahead: `topk` branches of `num_steps` tokens, of which some are verified."""

    topk: int
    num_steps: int
    draft_tokens: int

    def slots(self, page_size: int) -> int:
        """KV indices that one request's draft never exceeds: each branch has pages of its own."""
        return max(self.topk * (self.num_steps + 2 * page_size), self.draft_tokens)


@dataclass(frozen=True)
class Rig:
    """A draft model's runner with the pools behind it, for at most `max_bs` requests."""

    lab: KernelLab
    tree: Tree
    server_args: Any
    runner: Any
    req_to_token: Any
    allocator: Any
    prefix_cache: Any

    @property
    def page_size(self) -> int:
        return int(self.allocator.page_size)


def rig(lab: KernelLab, *, tree: Tree, page_size: int, max_bs: int, longest: int, attention: str) -> Rig:
    """Pools for `max_bs` requests of at most `longest` tokens, none of them near the context's end."""
    context_len = longest + 2 * tree.slots(page_size)  # upstream reserves for two drafts at once
    server_args = arguments(lab, tree, page_size, max_bs, attention)
    return rig_of(lab, tree, server_args, context_len=context_len, row_len=context_len, rows=max_bs)


def rig_of(lab: KernelLab, tree: Tree, server_args: Any, *, context_len: int, row_len: int, rows: int) -> Rig:
    """Pools with `rows` rows of `row_len` KV indices each, and a runner of that context length."""
    made = pools.paged(
        rows=rows, row_len=row_len, page_size=server_args.page_size, device=lab.device,
        cache=pools.mha(1, HEAD_DIM, enable_kv_cache_copy=True),
    )  # fmt: skip
    runner = _model_runner(lab, server_args, made, context_len)
    _translate_indices(runner)
    return Rig(lab, tree, server_args, runner, made.rows, made.allocator, _prefix_cache(made))


def arguments(lab: KernelLab, tree: Tree, page_size: int, max_bs: int, attention: str) -> Any:
    """The arguments of a server that drafts such trees, published."""
    from sglang.srt.server_args import ServerArgs

    return publish(
        lab,
        page_size=page_size,
        attention_backend=attention,
        speculative_algorithm=ALGORITHM,
        speculative_num_steps=tree.num_steps,
        speculative_eagle_topk=tree.topk,
        speculative_num_draft_tokens=tree.draft_tokens,
        **_one_graph(ServerArgs, max_bs),
    )


def _one_graph(arguments: Any, max_bs: int) -> dict[str, Any]:
    """A graph of `max_bs` requests and no other, so that every smaller batch is padded to it."""
    if "cuda_graph_config" not in inspect.signature(arguments).parameters:  # up to 0.5.13
        return {"cuda_graph_bs": [max_bs]}
    from sglang.srt.model_executor.cuda_graph_config import CudaGraphConfig

    return {"cuda_graph_config": CudaGraphConfig.from_dict({"decode": {"bs": [max_bs]}})}


def _prefix_cache(made: Pools) -> Any:
    """A prefix cache that keeps nothing."""
    from sglang.srt.mem_cache.cache_init_params import CacheInitParams
    from sglang.srt.mem_cache.radix_cache import RadixCache

    params = CacheInitParams(
        disable=True, req_to_token_pool=made.rows, token_to_kv_pool_allocator=made.allocator,
        page_size=made.page_size,
    )  # fmt: skip
    return RadixCache(params)


def _model_runner(lab: KernelLab, server_args: Any, made: Pools, context_len: int) -> Any:
    import torch
    from sglang.srt.speculative.spec_info import SpeculativeAlgorithm

    return lab.stand_in(
        "model_runner",
        model_config=_model_config(lab, context_len),
        server_args=server_args,
        spec_algorithm=SpeculativeAlgorithm.from_string(ALGORITHM),
        device=lab.device,
        dtype=torch.float32,
        kv_cache_dtype=torch.float32,
        kv_cache_dtype_str="auto",
        page_size=made.page_size,
        sliding_window_size=None,
        is_hybrid_swa=False,
        attention_chunk_size=None,
        **made.facts(translator=False),  # upstream's own makes it: `_translate_indices`
        tp_size=1,
        dp_size=1,
        attn_cp_size=1,
        attn_dcp_size=1,
        ps=lab.stand_in(
            "parallel sizes", tp_size=1, attn_dp_size=1, attn_cp_size=1, attn_dcp_size=1
        ),  # 0.5.16 to 0.5.20
        tp_group=None,
        attn_backend=None,
        is_draft_worker=True,
        device_timer=None,
        lora_manager=None,
        use_ngram_embedding=False,
        ngram_embedding_manager=lab.stand_in("ngram_embedding_manager", enabled=False),
        model_is_mrope=False,
    )


def _translate_indices(runner: Any) -> None:
    """What turns stored KV indices into those of the pool; a model runner has one since 0.5.2x."""
    from sglang.srt.model_executor.model_runner import ModelRunner

    if hasattr(ModelRunner, "init_kv_index_translator"):
        ModelRunner.init_kv_index_translator(runner)


def _model_config(lab: KernelLab, context_len: int) -> Any:
    import torch
    from sglang.srt.configs.model_config import AttentionArch

    return lab.stand_in(
        "model_config",
        context_len=context_len,
        vocab_size=VOCABULARY,
        dtype=torch.float32,
        quantization=None,
        hidden_size=HIDDEN_SIZE,
        spec_hidden_size=HIDDEN_SIZE,
        is_encoder_decoder=False,
        is_local_attention_model=False,
        is_multimodal=False,
        is_matryoshka=False,
        requires_mm_token_modalities=False,
        model_is_mrope=False,
        attention_arch=AttentionArch.MHA,
        head_dim=HEAD_DIM,
        v_head_dim=HEAD_DIM,
        num_attention_heads=1,
        get_num_kv_heads=lambda tp_size: 1,
        hf_text_config=lab.stand_in("hf_text_config", num_attention_heads=1),
    )


# --- a batch on its way to the draft -------------------------------------------------------


def admitted(rig: Rig, seq_lens: Sequence[int], *, overlap: bool = False) -> Any:
    """A schedule batch of requests with prompts of these lengths, prefilled, and room for a draft.

    `overlap` takes the second worker's allocation where a release has two (up to 0.5.12).
    """
    batch = prefilled(rig, seq_lens, overlap=overlap)
    if not seq_lens:
        batch.prepare_for_idle()
        return batch
    with rig.lab.observe("prepare_for_decode"):
        batch.prepare_for_decode()
    return batch


def draft_batch(rig: Rig, seq_lens: Sequence[int]) -> Any:
    """A forward batch whose `out_cache_loc` upstream allocated for the draft of these requests.

    It holds `topk * num_steps` KV indices per request. Without requests it is the idle batch that
    a rank of data-parallel attention runs to keep in step.
    """
    batch = admitted(rig, seq_lens)
    with rig.lab.observe("prepare_for_draft"):
        return _prepare_for_draft(rig, batch)


def prefilled(rig: Rig, seq_lens: Sequence[int], *, overlap: bool = False) -> Any:
    """A schedule batch of requests with prompts of these lengths, about to draft for the first time."""
    from sglang.srt.managers.schedule_batch import ScheduleBatch

    requests = [_request(rig, number, length) for number, length in enumerate(seq_lens)]
    batch = ScheduleBatch.init_new(
        requests,
        rig.req_to_token,
        rig.allocator,
        rig.prefix_cache,
        rig.runner.model_config,
        overlap,
        rig.runner.spec_algorithm,
    )
    if requests:
        batch.prepare_for_extend()
    batch.spec_info = _draft_input(len(requests), rig.tree.topk, rig.lab.device)
    return batch


def _request(rig: Rig, number: int, length: int) -> Any:
    from sglang.srt.managers.schedule_batch import Req
    from sglang.srt.sampling.sampling_params import SamplingParams

    prompt: Any = [1] * length
    if "array" in str(inspect.signature(Req).parameters["origin_input_ids"].annotation):  # from 0.5.14 on
        prompt = array("q", prompt)
    request = Req(str(number), "", prompt, SamplingParams(max_new_tokens=1))
    request.init_next_round_input(rig.prefix_cache)
    _extend_all(request, length)
    return request


def _extend_all(request: Any, length: int) -> None:
    """Let the next round extend the whole prompt, as the scheduler's policy decides without chunks."""
    if hasattr(request, "set_extend_range"):
        request.set_extend_range(0, length)
    elif hasattr(request, "set_extend_input_len"):  # up to 0.5.14
        request.fill_len = length
        request.set_extend_input_len(length)
    else:
        request.extend_end = length


def _draft_input(requests: int, topk: int, device: str) -> Any:
    import torch
    from sglang.srt.model_executor.forward_batch_info import CaptureHiddenMode
    from sglang.srt.speculative.eagle_info import EagleDraftInput

    return EagleDraftInput(
        topk_p=torch.zeros(requests, topk, device=device),
        topk_index=torch.zeros(requests, topk, dtype=torch.int64, device=device),
        hidden_states=torch.zeros(requests, HIDDEN_SIZE, device=device),
        capture_hidden_mode=CaptureHiddenMode.LAST,
    )


def _prepare_for_draft(rig: Rig, batch: Any) -> Any:
    """The draft worker's preparation, wherever a release keeps it; it takes no state of the worker's."""
    draft, tree = batch.spec_info, rig.tree
    asked = (rig.req_to_token, batch, None, rig.runner, tree.topk, tree.num_steps)
    if _first_worker():
        return _prepare_in_worker(rig, batch)
    if hasattr(draft, "prepare_for_v2_draft"):  # 0.5.13
        return draft.prepare_for_v2_draft(*asked)[0]
    worker: Any = importlib.import_module("sglang.srt.speculative.base_spec_worker").EagleDraftWorkerBase
    if hasattr(worker, "prepare_for_draft"):
        return worker.prepare_for_draft(rig.lab.stand_in("draft worker"), draft, *asked)[0]
    common: Any = importlib.import_module("sglang.srt.speculative.eagle_worker_common")
    return common.prepare_for_draft(draft, *asked)[0]


def _first_worker() -> Any:
    """The worker up to 0.5.12, which alone took top-k above 1; None from 0.5.13 on."""
    if importlib.util.find_spec("sglang.srt.speculative.eagle_worker") is None:
        return None
    module: Any = importlib.import_module("sglang.srt.speculative.eagle_worker")
    worker = getattr(module, "EAGLEWorker", None)
    return worker if hasattr(worker, "_draft_preprocess_decode") else None


def _prepare_in_worker(rig: Rig, batch: Any) -> Any:
    """What the first worker's `draft` does before it runs its model or replays its graph."""
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch

    worker = rig.lab.stand_in(
        "draft worker",
        page_size=rig.page_size,
        topk=rig.tree.topk,
        speculative_num_steps=rig.tree.num_steps,
        device=rig.lab.device,
        draft_model_runner=rig.runner,
        token_to_kv_pool_allocator=rig.allocator,
        extend_lens=None,
        num_new_pages_per_topk=None,
    )
    if not batch.forward_mode.is_idle():
        _first_worker()._draft_preprocess_decode(worker, batch)
    batch.spec_info.num_tokens_per_req = batch.spec_info.num_tokens_for_logprob_per_req = rig.tree.topk
    batch.return_hidden_states = False
    return ForwardBatch.init_new(batch.get_model_worker_batch(), rig.runner)
