"""A GLM-4.5-like mixture of experts: a router of sigmoids with a correction bias, in groups.

Tokens of one class lie so far below every expert's threshold that each of their sigmoids is exactly 0 in
float32. A mixture then adds nothing but what its shared expert gives.
"""

from __future__ import annotations

from typing import Any

import torch

from harness.models import llama
from harness.models.files import Checkpoint
from harness.models.mixing import Heads, Layout, feed_forward, normal

EXPERTS, CHOSEN, GROUPS = 8, 2, 2
LAYERS, DENSE_LAYERS = 3, 1
FEED_FORWARD = 64
"""Of each expert, and of the one that all tokens share."""
DEEP_CLASS = 7
"""The class of tokens that no expert takes: one in 32."""
_DEPTH = 40.0
"""Times some 5, which a class's mark is after the norm: sigmoids are 0 from 104 below zero on."""
_GAIN, _BIAS = 0.5, 0.1


def checkpoint(layout: Layout, heads: Heads, seed: int, dtype: torch.dtype) -> Checkpoint:
    """The configuration and weights of Glm4MoeForCausalLM."""
    random = torch.Generator().manual_seed(seed)
    like = llama.checkpoint(layout, heads, LAYERS, seed, dtype)
    dense = {
        name: tensor
        for name, tensor in like.tensors.items()
        if ".mlp." not in name or name.startswith("model.layers.0.")
    }
    mixtures = {
        f"model.layers.{layer}.mlp.{name}": tensor
        for layer in range(DENSE_LAYERS, LAYERS)
        for name, tensor in _mixture(layout, random, dtype).items()
    }
    return Checkpoint(_configuration(like.config), {**dense, **mixtures})


def router(layout: Layout, random: torch.Generator) -> torch.Tensor:
    """Shape [EXPERTS, hidden]: ordinary tokens give scores of unit spread, those of the deep class none."""
    rows: torch.Tensor = normal(random, EXPERTS, layout.hidden) * layout.hidden**-0.5
    rows[:, layout.class_codes] = 0.0
    rows[:, layout.class_codes.start + DEEP_CLASS] = -_DEPTH
    return rows


def _mixture(layout: Layout, random: torch.Generator, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """One layer's router and experts; upstream and transformers keep the bias in float32."""
    experts = {
        f"{name}.{part}_proj.weight": weight.to(dtype)
        for name in ("shared_experts", *(f"experts.{number}" for number in range(EXPERTS)))
        for part, weight in _expert(layout, random).items()
    }
    own = {
        "gate.weight": router(layout, random).to(dtype),
        "gate.e_score_correction_bias": normal(random, EXPERTS) * _BIAS,
    }
    return {**own, **experts}


def _expert(layout: Layout, random: torch.Generator) -> dict[str, torch.Tensor]:
    gate, up, down = feed_forward(layout, FEED_FORWARD, random, gain=_GAIN)
    return {"gate": gate, "up": up, "down": down}


def _configuration(like: Any) -> dict[str, Any]:
    return {
        **like,
        "architectures": ["Glm4MoeForCausalLM"],
        "model_type": "glm4_moe",
        "moe_intermediate_size": FEED_FORWARD,
        "num_experts_per_tok": CHOSEN,
        "n_routed_experts": EXPERTS,
        "n_shared_experts": 1,
        "n_group": GROUPS,
        "topk_group": 1,
        "first_k_dense_replace": DENSE_LAYERS,
        "routed_scaling_factor": 1.0,
        "norm_topk_prob": True,
        "partial_rotary_factor": 0.5,
        "use_qk_norm": False,
    }
