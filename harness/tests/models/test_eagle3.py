"""The draft's layer, worked out by hand: it names the current token's successors, and often the next one."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from harness.models import Model, make
from harness.models.reference import Reference

LENGTH, TOPK, HEAD_DIM = 80, 8, 64


def test_the_draft_guesses_well_but_not_always(tmp_path: Path) -> None:
    model = make("tiny-llama-eagle3", tmp_path)
    network = Reference(model, torch.float32).network
    ids = torch.randint(3, model.vocab_size, (LENGTH,), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        answered = network(ids[None], output_hidden_states=True)
        captured = torch.cat([answered.hidden_states[layer][0, :-1] for layer in (2, 4, 5)], -1)
        guesses = _draft(model, captured, ids[1:]).topk(TOPK).indices
    hits = (guesses == answered.logits[0, 1:].argmax(-1)[:, None]).any(-1).float().mean()
    assert 0.4 < hits < 0.9


def _draft(model: Model, captured: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Logits of LlamaForCausalLMEagle3, shape [tokens, vocab_size]; none for what the draft does not know."""
    assert model.draft is not None
    draft = load_file(model.draft / "model.safetensors")
    embeds = load_file(model.path / "model.safetensors")["model.embed_tokens.weight"][tokens]
    hidden = captured @ draft["fc.weight"].T
    seen = torch.cat([_norm(embeds), _norm(hidden)], -1)
    q, k, v = (seen @ draft[f"midlayer.self_attn.{name}_proj.weight"].T for name in "qkv")
    heads = [_attend(_turned(each), _turned(k), v) for each in q.split(HEAD_DIM, -1)]
    hidden = hidden + torch.cat(heads, -1) @ draft["midlayer.self_attn.o_proj.weight"].T
    known = draft["d2t"] + torch.arange(len(draft["d2t"]))
    logits = torch.full((len(tokens), model.vocab_size), -torch.inf)
    logits[:, known] = _norm(hidden) @ draft["lm_head.weight"].T
    return logits


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    later = torch.ones(len(q), len(q)).triu(1).bool()
    weights: torch.Tensor = (q @ k.T * HEAD_DIM**-0.5).masked_fill(later, -torch.inf).softmax(-1)
    return weights @ v


def _turned(x: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of pairs (i, i + head_dim / 2), base 10000."""
    angles = torch.arange(len(x))[:, None] * 10000.0 ** (-torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _norm(x: torch.Tensor) -> torch.Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
