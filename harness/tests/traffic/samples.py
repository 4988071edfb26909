"""Answers to try things on."""

from __future__ import annotations

from dataclasses import replace

from harness.traffic.answers import Answer


def answer(rid: str, *tokens: int, prompt: tuple[int, ...] = (1, 2), **changes: object) -> Answer:
    """A whole answer whose log-probabilities are -token / 10."""
    whole = Answer(
        rid=rid,
        prompt_ids=prompt,
        tokens=tokens,
        logprobs=tuple(-token / 10 for token in tokens),
        finish="length",
        status=200,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]
