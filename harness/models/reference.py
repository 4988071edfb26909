"""What a model should have answered, by transformers' own eager implementation of its architecture.

Independent of upstream: it reads the same files, and shares no code with it. The matrix products run in
the dtype asked for; norms, softmax and rotary angles stay in float32, as transformers has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

import harness.host.preload  # noqa: F401  transformers asks for torchvision
from harness.models.making import Model


@dataclass(frozen=True)
class Score:
    """One request, a value for each output token: the greedy choice at its place given all before it,
    its own log-probability (natural), and how far the best log-probability is above the second."""

    greedy: tuple[int, ...]
    logprobs: tuple[float, ...]
    margins: tuple[float, ...]


class Reference:
    """A model, loaded once for many requests."""

    def __init__(self, model: Model, dtype: torch.dtype = torch.float64) -> None:
        from transformers import AutoModelForCausalLM

        network: Any = AutoModelForCausalLM.from_pretrained(
            model.path, dtype=dtype, attn_implementation="eager", local_files_only=True
        )
        self.network = network.eval()

    def score(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Score:
        """One forward over prompt and output together; needs at least one prompt token."""
        ids = torch.tensor([[*prompt_ids, *output_ids]])
        with torch.inference_mode():
            logits = self.network(ids, use_cache=False).logits[0]
        predicted = logits[len(prompt_ids) - 1 : -1].double().log_softmax(-1)
        return _score(predicted, torch.tensor(output_ids, dtype=torch.long))


def score(
    model: Model, prompt_ids: Sequence[int], output_ids: Sequence[int], dtype: torch.dtype = torch.float64
) -> Score:
    """The same for a single request."""
    return Reference(model, dtype).score(prompt_ids, output_ids)


def _score(predicted: torch.Tensor, output: torch.Tensor) -> Score:
    best = predicted.topk(2)
    return Score(
        greedy=tuple(best.indices[:, 0].tolist()),
        logprobs=tuple(predicted.gather(1, output[:, None])[:, 0].tolist()),
        margins=tuple((best.values[:, 0] - best.values[:, 1]).tolist()),
    )
