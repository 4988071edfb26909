"""A Qwen3-like dense model: the llama-like one with normalised queries and keys.

Upstream serves its attention data-parallel (`--enable-dp-attention`), which its llama cannot.
"""

from __future__ import annotations

from typing import Any

import torch

from harness.models import llama
from harness.models.files import Checkpoint
from harness.models.mixing import Heads, Layout

HEADS = Heads(queries=4, keys=2)
"""Two key heads, so that two ranks can share a layer either way."""


def checkpoint(layout: Layout, heads: Heads, layers: int, seed: int, dtype: torch.dtype) -> Checkpoint:
    """The configuration and weights of Qwen3ForCausalLM."""
    like = llama.checkpoint(layout, heads, layers, seed, dtype)
    norms = {
        f"model.layers.{layer}.self_attn.{name}_norm.weight": _norm(heads, dtype)
        for layer in range(layers)
        for name in ("q", "k")
    }
    return Checkpoint(_configuration(like.config), {**like.tensors, **norms})


def _configuration(like: Any) -> dict[str, Any]:
    """`num_experts_per_tok` says nothing of a dense model, but without it upstream leaves two-batch
    overlap off without a word (0.5.15, `Scheduler.init_moe_gemm_config`)."""
    own = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "num_experts_per_tok": 1}
    return {**like, **own, "sliding_window": None, "use_sliding_window": False}


def _norm(heads: Heads, dtype: torch.dtype) -> torch.Tensor:
    """Shape [head_dim]: gives the scores of normalised queries and keys the llama-like model's spread."""
    return torch.full((heads.head_dim,), (llama.SHARPNESS * heads.head_dim**-0.5) ** 0.5, dtype=dtype)
