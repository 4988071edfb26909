"""A Gemma-4-like hybrid model: layers that see a small window, and some that see everything."""

from __future__ import annotations

from typing import Any

import torch

from harness.models.files import BOS, EOS, PAD, Checkpoint
from harness.models.mixing import Heads, Layout, attention, embedding, feed_forward, head

SLIDING, FULL = "sliding_attention", "full_attention"
LAYER_TYPES = (SLIDING, FULL, SLIDING, FULL)
WINDOW = 32
"""Tokens a sliding layer sees, the current one included: small, so that pages leave it all the time."""
FEED_FORWARD, CONTEXT = 128, 16384
_SHARPNESS, _ATTENTION_GAIN, _FEED_FORWARD_GAIN = 1.6, 0.6, 0.1


def checkpoint(layout: Layout, heads: Heads, seed: int, dtype: torch.dtype) -> Checkpoint:
    """The configuration and weights of Gemma4ForCausalLM; the embedding is scaled up when it is read."""
    random = torch.Generator().manual_seed(seed)
    tokens = embedding(layout, random)
    tensors = {
        "model.embed_tokens.weight": tokens * layout.hidden**-0.5,
        "lm_head.weight": head(layout, random),
        "model.norm.weight": torch.ones(layout.hidden),
    }
    for index in range(len(LAYER_TYPES)):
        layer = _layer(layout, heads, random)
        tensors |= {f"model.layers.{index}.{name}": weight for name, weight in layer.items()}
    named = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    return Checkpoint(configuration(layout, heads, dtype), named)


def configuration(layout: Layout, heads: Heads, dtype: torch.dtype) -> dict[str, Any]:
    """`config.json`: transformers' fields, then those that upstream reads for the window's layers."""
    return {
        "architectures": ["Gemma4ForCausalLM"],
        "model_type": "gemma4_text",
        "vocab_size": layout.vocab_size,
        "hidden_size": layout.hidden,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": len(LAYER_TYPES),
        "num_attention_heads": heads.queries,
        "num_key_value_heads": heads.keys,
        "head_dim": heads.head_dim,
        "global_head_dim": heads.head_dim,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10000.0},
            FULL: {"rope_type": "default", "rope_theta": 1000000.0},
        },
        "max_position_embeddings": CONTEXT,
        "sliding_window": WINDOW,
        "layer_types": list(LAYER_TYPES),
        "hidden_size_per_layer_input": 0,
        "vocab_size_per_layer_input": layout.vocab_size,
        "enable_moe_block": False,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "moe_intermediate_size": FEED_FORWARD,
        "swa_num_key_value_heads": heads.keys,
        "swa_head_dim": heads.head_dim,
        "swa_v_head_dim": heads.head_dim,
    }


def _layer(layout: Layout, heads: Heads, random: torch.Generator) -> dict[str, torch.Tensor]:
    """One layer's weights. Queries and keys are normalised, so that the norms' weights set the scores."""
    mixed = attention(layout, heads, random, sharpness=1.0, gain=1.0)
    gate, up, down = feed_forward(layout, FEED_FORWARD, random, gain=1.0)
    ones, scale = torch.ones(layout.hidden), (_SHARPNESS * heads.head_dim**-0.5) ** 0.5
    return {
        "self_attn.q_proj.weight": mixed.q,
        "self_attn.k_proj.weight": mixed.k,
        "self_attn.v_proj.weight": mixed.v,
        "self_attn.o_proj.weight": mixed.o,
        "self_attn.q_norm.weight": torch.full((heads.head_dim,), scale),
        "self_attn.k_norm.weight": torch.full((heads.head_dim,), scale),
        "mlp.gate_proj.weight": gate,
        "mlp.up_proj.weight": up,
        "mlp.down_proj.weight": down,
        "input_layernorm.weight": ones,
        "post_attention_layernorm.weight": ones * _ATTENTION_GAIN,
        "pre_feedforward_layernorm.weight": ones,
        "post_feedforward_layernorm.weight": ones * _FEED_FORWARD_GAIN,
        "layer_scalar": torch.ones(1),
    }
