"""The EAGLE3 draft of the llama-like target: it names a token's successors and half guesses the choice.

Upstream hands it the target's residual stream at three layers, one position back, and the current
token's embedding. Its one layer has two heads of a fixed view, made of rotary positions: one looks at
its own position and adds the token's code, the other looks one position back and takes the code away
that is still there. The digest is the target's, unfinished and one token old: a good guess, no more.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from harness.models import llama
from harness.models.files import SPECIALS, Checkpoint
from harness.models.mixing import Heads, Layout

DRAFT_VOCABULARY = 192
"""Tokens that the draft knows; the others it can never guess right."""
CAPTURED = 3
_FREQUENCIES = 8
"""Rotary pairs that tell distances apart: the fastest ones, which differ most between neighbours."""
_FOCUS = 60.0
"""What the position looked at has over the others in the scores, all frequencies together."""


def checkpoint(target: Checkpoint, layout: Layout, heads: Heads, seed: int) -> Checkpoint:
    """The draft of `target`, in its dtype: weights by the names of LlamaForCausalLMEagle3."""
    random = torch.Generator().manual_seed(seed)
    rows = target.tensors["lm_head.weight"].float()
    dtype = target.tensors["lm_head.weight"].dtype
    known = _known(layout, random)
    tensors = {name: weight.to(dtype) for name, weight in _layer(layout, heads).items()}
    tensors["fc.weight"] = _captured(layout).to(dtype)
    tensors["norm.weight"] = torch.ones(layout.hidden, dtype=dtype)
    tensors["lm_head.weight"] = rows[known].to(dtype)
    tensors["d2t"] = known - torch.arange(len(known))
    tensors["t2d"] = torch.isin(torch.arange(layout.vocab_size), known)
    return Checkpoint(_configuration(target.config), tensors)


def _configuration(target: Any) -> dict[str, Any]:
    own = {"architectures": ["LlamaForCausalLMEagle3"], "num_hidden_layers": 1}
    return {**target, **own, "draft_vocab_size": DRAFT_VOCABULARY}


def _known(layout: Layout, random: torch.Generator) -> torch.Tensor:
    """Ids of the draft's tokens, ascending: words, no special ones."""
    words = torch.randperm(layout.vocab_size - len(SPECIALS), generator=random) + len(SPECIALS)
    return words[:DRAFT_VOCABULARY].sort().values


def _captured(layout: Layout) -> torch.Tensor:
    """Shape [hidden, 3 * hidden]: the mean of the digests, and the token's code, which all three hold."""
    weight = torch.zeros(layout.hidden, CAPTURED * layout.hidden)
    for layer in range(CAPTURED):
        for entry in range(1, layout.hidden):
            weight[entry, layer * layout.hidden + entry] = 1 / CAPTURED
    return weight


def _layer(layout: Layout, heads: Heads) -> dict[str, torch.Tensor]:
    """The layer's weights. It reads the token's normalised embedding, then the hidden state."""
    hidden, size, width = layout.hidden, heads.head_dim, llama.FEED_FORWARD
    ones, blind = torch.ones(hidden), torch.zeros((heads.queries - 2) * size, 2 * hidden)
    carried, written = _carry(layout, heads)
    return {
        "midlayer.self_attn.q_proj.weight": torch.cat(
            [_view(layout, size, back) for back in (0, 1)] + [blind]
        ),
        "midlayer.self_attn.k_proj.weight": torch.cat([_view(layout, size, 0)] * heads.keys),
        "midlayer.self_attn.v_proj.weight": carried,
        "midlayer.self_attn.o_proj.weight": written,
        "midlayer.mlp.gate_proj.weight": torch.zeros(width, hidden),
        "midlayer.mlp.up_proj.weight": torch.zeros(width, hidden),
        "midlayer.mlp.down_proj.weight": torch.zeros(hidden, width),
        "midlayer.input_layernorm.weight": ones,
        "midlayer.hidden_norm.weight": ones,
        "midlayer.post_attention_layernorm.weight": ones,
    }


def _view(layout: Layout, size: int, back: int) -> torch.Tensor:
    """Shape [head_dim, 2 * hidden]: the query that matches the key of `back` positions ago.

    Both are fixed vectors, read off the embedding's constant. The rotary embedding turns them by their
    positions, in pairs (i, i + head_dim / 2); the query is turned back by the distance beforehand.
    """
    angles = -back * llama.ROPE_THETA ** (-torch.arange(_FREQUENCIES) * 2 / size)
    amplitude = math.sqrt(_FOCUS * math.sqrt(size) / _FREQUENCIES) / _norm(layout)
    weight = torch.zeros(size, 2 * layout.hidden)
    weight[:_FREQUENCIES, 0] = angles.cos() * amplitude
    weight[size // 2 : size // 2 + _FREQUENCIES, 0] = angles.sin() * amplitude
    return weight


def _carry(layout: Layout, heads: Heads) -> tuple[torch.Tensor, torch.Tensor]:
    """Values, which hold the embedding's code; the output adds the first head's, less the second's."""
    size = heads.head_dim
    values = torch.zeros(heads.keys * size, 2 * layout.hidden)
    output = torch.zeros(layout.hidden, heads.queries * size)
    for entry in range(layout.code):
        column = layout.codes.start + entry
        values[entry, column] = 1 / _norm(layout)
        output[column, entry], output[column, size + entry] = 1.0, -1.0
    return values, output


def _norm(layout: Layout) -> float:
    """What the input norm makes of an entry of 1: only the constant and the code are there."""
    return math.sqrt(layout.hidden / (1 + layout.code))
