"""A llama-like model, alone or as the target of an EAGLE3 draft."""

from __future__ import annotations

from typing import Any

import torch

from harness.models.files import BOS, EOS, PAD, Checkpoint
from harness.models.mixing import Heads, Layout, attention, embedding, feed_forward, head

LAYERS = 4
LAYERS_OF_TARGET = 8
"""EAGLE3 captures layers 2, n/2 and n-3, which have to be three."""
FEED_FORWARD = 128
ROPE_THETA, CONTEXT = 10000.0, 16384
"""Positions: CUDA prefill graphs are captured for up to 8192 tokens whatever a model allows."""
SHARPNESS, _FEED_FORWARD_GAIN = 1.6, 0.3
_GAIN = 2.8
"""Of all layers together: what keeps the digest about as large as the code, for 20 to 300 positions."""


def checkpoint(layout: Layout, heads: Heads, layers: int, seed: int, dtype: torch.dtype) -> Checkpoint:
    """Configuration and weights."""
    random = torch.Generator().manual_seed(seed)
    tokens = embedding(layout, random)
    tensors = {
        "model.embed_tokens.weight": tokens,
        "lm_head.weight": head(layout, random),
        "model.norm.weight": torch.ones(layout.hidden),
    }
    for index in range(layers):
        layer = decoder_layer(layout, heads, _GAIN * layers**-0.5, random)
        tensors |= {f"model.layers.{index}.{name}": weight for name, weight in layer.items()}
    named = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    return Checkpoint(configuration(layout, heads, layers, dtype), named)


def configuration(layout: Layout, heads: Heads, layers: int, dtype: torch.dtype) -> dict[str, Any]:
    """`config.json` of LlamaForCausalLM."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": layout.vocab_size,
        "hidden_size": layout.hidden,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": layers,
        "num_attention_heads": heads.queries,
        "num_key_value_heads": heads.keys,
        "head_dim": heads.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": ROPE_THETA,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def decoder_layer(
    layout: Layout, heads: Heads, gain: float, random: torch.Generator
) -> dict[str, torch.Tensor]:
    """One layer's weights by their names within it."""
    mixed = attention(layout, heads, random, sharpness=SHARPNESS, gain=gain)
    gate, up, down = feed_forward(layout, FEED_FORWARD, random, gain=_FEED_FORWARD_GAIN)
    return {
        "self_attn.q_proj.weight": mixed.q,
        "self_attn.k_proj.weight": mixed.k,
        "self_attn.v_proj.weight": mixed.v,
        "self_attn.o_proj.weight": mixed.o,
        "mlp.gate_proj.weight": gate,
        "mlp.up_proj.weight": up,
        "mlp.down_proj.weight": down,
        "input_layernorm.weight": torch.ones(layout.hidden),
        "post_attention_layernorm.weight": torch.ones(layout.hidden),
    }
