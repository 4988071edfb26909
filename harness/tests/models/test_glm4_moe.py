"""The mixture's router: tokens of one class alone are deep below zero, in each layer."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.models import glm4_moe, make
from harness.models.files import SPECIALS
from harness.models.mixing import Layout
from harness.models.reference import Reference

VANISHES = 104
"""How far below zero a sigmoid is 0 in float32."""


def test_sigmoids_vanish_for_the_deep_class_and_no_other(tmp_path: Path) -> None:
    network, layout = Reference(make("tiny-moe", tmp_path)).network, Layout()
    told: list[torch.Tensor] = []
    for layer in network.model.layers[glm4_moe.DENSE_LAYERS :]:
        layer.mlp.gate.register_forward_hook(lambda gate, given, logits: told.append(logits))
    words = torch.arange(len(SPECIALS), layout.vocab_size)
    with torch.inference_mode():
        network(words[None], use_cache=False)
    deep = (words * layout.stride) % layout.classes == glm4_moe.DEEP_CLASS
    assert len(told) == glm4_moe.LAYERS - glm4_moe.DENSE_LAYERS and deep.any()
    for logits in told:
        assert logits[deep].max() < -VANISHES - 20
        assert logits[~deep].abs().max() < 8
        assert logits[deep].float().sigmoid().eq(0).all()


def test_a_deep_token_is_answered_all_the_same(tmp_path: Path) -> None:
    reference, layout = Reference(make("tiny-moe", tmp_path)), Layout()
    words = range(len(SPECIALS), layout.vocab_size)
    deep = [word for word in words if (word * layout.stride) % layout.classes == glm4_moe.DEEP_CLASS]
    score = reference.score([*deep, 10], [11, 12])
    assert torch.tensor(score.logprobs).isfinite().all()
