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
from harness.facts import Sampling
from harness.models import swa
from harness.models.making import Model

DECODED_SHORT = 1


@dataclass(frozen=True)
class Score:
    """One request, a value for each output token: the greedy choice at its place given all before it,
    its own log-probability (natural), how far the least that may be chosen is above the next, and how far
    above the token's own: greedily that is the best, and otherwise the least likely that sampling allows."""

    greedy: tuple[int, ...]
    logprobs: tuple[float, ...]
    margins: tuple[float, ...]
    shortfalls: tuple[float, ...]


class Reference:
    """A model, loaded once for many requests.

    `decoded_short` is by how many tokens the window of a sliding layer is shorter for tokens that are
    decoded than for those of the prompt. Upstream's Triton backend has it at 1: it takes the window
    without the current token (`gemma4_causal.get_attention_sliding_window_size`) and then counts that
    token in (`triton_backend.update_sliding_window_buffer`), in decode alone; read in 0.5.10.post1 to
    0.5.23. With 0 the model is as transformers has it.
    """

    def __init__(
        self, model: Model, dtype: torch.dtype = torch.float64, *, decoded_short: int = DECODED_SHORT
    ) -> None:
        from transformers import AutoModelForCausalLM

        network: Any = AutoModelForCausalLM.from_pretrained(
            model.path,
            dtype=dtype,
            attn_implementation="eager",
            experts_implementation="eager",
            local_files_only=True,
        )
        self.network = network.eval()
        self._dtype, self._short = dtype, decoded_short

    def score(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int], sampling: Sampling | None = None
    ) -> Score:
        """One forward over prompt and output together; needs at least one prompt token."""
        ids = torch.tensor([[*prompt_ids, *output_ids]])
        masks = self._masks(len(prompt_ids), ids.shape[1])
        with torch.inference_mode():
            logits = self.network(ids, attention_mask=masks, use_cache=False).logits[0]
        warmth = sampling.temperature if sampling else 1.0
        predicted = (logits[len(prompt_ids) - 1 : -1].double() / warmth).log_softmax(-1)
        return _score(predicted, torch.tensor(output_ids, dtype=torch.long), sampling)

    def _masks(self, prompt: int, length: int) -> dict[str, torch.Tensor] | None:
        """What is added to the scores by kind of layer, [1, 1, length, length]; None: transformers' own."""
        window = getattr(self.network.config, "sliding_window", None)
        if window is None or not self._short:
            return None
        back = torch.arange(length)[:, None] - torch.arange(length)
        seen = torch.where(torch.arange(length) < prompt, window, window - self._short)[:, None]
        hidden = {swa.FULL: back < 0, swa.SLIDING: (back < 0) | (back >= seen)}
        nothing, lowest = torch.zeros(length, length, dtype=self._dtype), torch.finfo(self._dtype).min
        return {kind: nothing.masked_fill(where, lowest)[None, None] for kind, where in hidden.items()}


def score(
    model: Model, prompt_ids: Sequence[int], output_ids: Sequence[int], dtype: torch.dtype = torch.float64
) -> Score:
    """The same for a single request."""
    return Reference(model, dtype).score(prompt_ids, output_ids)


def _score(predicted: torch.Tensor, output: torch.Tensor, sampling: Sampling | None) -> Score:
    ranked, own = predicted.sort(-1, descending=True), predicted.gather(1, output[:, None])
    allowed = _allowed(ranked.values, sampling)
    least = ranked.values.gather(1, allowed - 1)
    following = ranked.values.gather(1, allowed.clamp(max=predicted.shape[1] - 1))
    return Score(
        greedy=tuple(ranked.indices[:, 0].tolist()),
        logprobs=tuple(own[:, 0].tolist()),
        margins=tuple((least - following)[:, 0].tolist()),
        shortfalls=tuple((least - own)[:, 0].tolist()),
    )


def _allowed(ranked: torch.Tensor, sampling: Sampling | None) -> torch.Tensor:
    """How many of the likeliest tokens may be chosen, [places, 1], by log-probabilities in falling order."""
    places, words = ranked.shape
    if sampling is None:
        return torch.ones(places, 1, dtype=torch.long)
    shares = ranked.exp()
    kept = torch.arange(words) < (sampling.top_k or words)
    kept = kept & (shares.cumsum(-1) - shares <= sampling.top_p)
    kept &= shares >= shares[:, :1] * sampling.min_p
    return kept.sum(-1, keepdim=True)
