"""A decode step of upstream's own model runner: what ci/bench/fences.py puts its fences around.

Model, pools, attention back end and captured graph are made and driven by `sglang.benchmark.one_batch`,
upstream's benchmark of one batch; the model is Refault's tiny llama.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES = {"cuda": (16, 256), "cpu": (2, 24)}
"""Requests and tokens of each prompt, by device: the CPU's interpreter is there to try the script with."""
PAGE = 16
POOL = 16384
"""Tokens of the KV cache: room for the batch, and no figure of the machine's."""
BUFFERS = frozenset(
    {
        *("req_to_token", "k_buffer", "v_buffer", "kv_indptr", "qo_indptr", "mask_indptr"),
        *("cuda_graph_kv_indices", "cuda_graph_custom_mask", "cuda_graph_num_kv_splits"),
        *("cuda_graph_attn_logits", "cuda_graph_attn_lse", "cuda_graph_window_kv_indices"),
        *("input_ids", "req_pool_indices", "seq_lens", "out_cache_loc", "positions", "kv_indices"),
    }
)
"""Names of the buffers to fence: pools, the Triton back end's, and the graph runner's inputs."""


class Decoder:
    """Some requests (`SIZES`) that decode their next token, again and again the same one.

    `step` is that of the runner as it was loaded; `another` makes one more, with an attention back end and a
    captured graph of its own, over the same pools and weights.
    """

    def __init__(self, models: Path, device: str = "cuda", *, graphs: bool = True) -> None:
        requests, tokens = SIZES[device]
        runner = _runner(models, device, requests, graphs)
        self._runner = runner.torch_runner
        self._batch = _prefilled(runner, requests, tokens)
        self.step = self._step()

    def another(self) -> Step:
        """A step whose buffers are made now. The one before it works on with its own."""
        try:
            self._runner.init_attention_backend()
            self._runner.init_decode_cuda_graph()
            return self._step()
        finally:
            self._take(self.step.backend, self.step.graphs)

    def _step(self) -> Step:
        return Step(self, self._runner.attn_backend, self._runner.decode_cuda_graph_runner)

    def _take(self, backend: Any, graphs: Any) -> None:
        self._runner.attn_backend, self._runner.decode_cuda_graph_runner = backend, graphs

    def forward(self, backend: Any, graphs: Any) -> Any:
        """What upstream's scheduler has done for a step: a forward batch is made, then run."""
        import torch
        from sglang.srt.model_executor.forward_batch_info import ForwardBatch

        self._take(backend, graphs)
        try:
            with torch.no_grad():
                batch = ForwardBatch.init_new(self._batch, self._runner)
                done = self._runner.forward(batch)
        finally:
            self._take(self.step.backend, self.step.graphs)
        if done.can_run_graph is not (graphs is not None):
            raise SystemExit(f"bench: upstream ran the step {'without' if graphs else 'with'} a graph")
        return done.logits_output.next_token_logits


@dataclass(frozen=True)
class Step:
    """A decode step with a back end and, where there is one, a graph of its own.

    `eager` plans and launches the forward, `graph` replays the captured one.
    """

    decoder: Decoder
    backend: Any
    graphs: Any

    def eager(self) -> Any:
        """The step without its graph."""
        return self.decoder.forward(self.backend, None)

    def graph(self) -> Any:
        return self.decoder.forward(self.backend, self.graphs)

    @property
    def ways(self) -> dict[str, Callable[[], Any]]:
        """How the step can be run here."""
        return {"eager": self.eager} | ({"graph": self.graph} if self.graphs is not None else {})


def _runner(models: Path, device: str, requests: int, graphs: bool) -> Any:
    """Upstream's model runner, as its benchmark loads it."""
    from sglang.benchmark import one_batch
    from sglang.srt.server_args import PortArgs, prepare_server_args

    from harness.models import make

    dtype = "float32" if device == "cpu" else "float16"
    words = {
        "model-path": str(make("tiny-llama", models, dtype=dtype).path),
        "device": device,
        "dtype": dtype,
        "attention-backend": "triton",
        "page-size": str(PAGE),
        "max-total-tokens": str(POOL),
        "max-running-requests": str(requests),
        "cuda-graph-max-bs-decode": str(requests),
        "mem-fraction-static": "0.2",
        "sampling-backend": "pytorch",
        "grammar-backend": "none",
        "random-seed": "1",
        "cuda-graph-backend-prefill": "disabled",  # only decode is measured
        "nccl-port": str(_free_port()),
    }
    switches = () if graphs and device != "cpu" else ("--disable-cuda-graph",)
    options = (word for name, value in words.items() for word in (f"--{name}", value))
    server_args = prepare_server_args([*options, *switches])
    for prepare in ("moe_config", "fp8_gemm_config", "fp4_gemm_config"):
        getattr(one_batch, f"initialize_{prepare}")(server_args)
    runner, _ = one_batch.load_model(server_args, PortArgs.init_new(server_args), 0, 0)
    return runner


def _prefilled(runner: Any, requests: int, tokens: int) -> Any:
    """The batch behind its prefill and its first decoded token."""
    import numpy as np
    from sglang.benchmark import one_batch

    draw = np.random.default_rng(1)
    prompts = draw.integers(3, 256, (requests, tokens)).tolist()
    made = one_batch.prepare_synthetic_inputs_for_latency_test(requests, tokens, prompts)
    chosen, _, batch = runner.extend(made)
    runner.decode(chosen, batch)
    return batch


def _free_port() -> int:
    """One that the system has just named free: the variants' processes load at the same time."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
