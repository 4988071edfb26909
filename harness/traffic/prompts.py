"""The requests of a traffic: every detail of them comes from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from harness.facts import Sampling, Traffic

Endpoint = Literal["native", "openai"]
SPECIAL_TOKENS = 3
"""Ids below this one are no text in the models of `harness.models`, and in no prompt."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `abort_after` is the number of answered tokens after which it is given up."""

    rid: str
    prompt_ids: tuple[int, ...]
    output_tokens: int | None
    endpoint: Endpoint = "native"
    stream: bool = False
    logprobs: bool = True
    sampling: Sampling | None = None
    abort_after: int | None = None

    @property
    def drawn(self) -> dict[str, Any]:
        """The sampling parameters, by upstream's names."""
        return self.sampling.to_json() if self.sampling else {"temperature": 0.0}


def requests(traffic: Traffic, vocab_size: int, name: str = "r0") -> tuple[Request, ...]:
    """One round of `traffic`, in the order of submission; `name` begins each `rid`."""
    rng = random.Random(traffic.seed)
    prefix = _tokens(rng, traffic.shared_prefix, vocab_size)
    prompts = [_prompt(rng, traffic, prefix, vocab_size) for _ in range(traffic.requests)]
    aborted = set(rng.sample(range(traffic.requests), traffic.aborts))
    return tuple(
        Request(
            rid=f"{name}-{index:03d}",
            prompt_ids=prompt,
            output_tokens=traffic.output_tokens,
            endpoint=_endpoint(traffic, index),
            # What is given up in mid-answer has to be seen coming.
            stream=_is_streamed(traffic, index) or index in aborted,
            logprobs=traffic.logprobs,
            sampling=traffic.sampling,
            abort_after=_abort_after(rng, traffic) if index in aborted else None,
        )
        for index, prompt in enumerate(prompts)
    )


def _tokens(rng: random.Random, count: int, vocab_size: int) -> tuple[int, ...]:
    return tuple(rng.randrange(SPECIAL_TOKENS, vocab_size) for _ in range(count))


def _prompt(
    rng: random.Random, traffic: Traffic, prefix: tuple[int, ...], vocab_size: int
) -> tuple[int, ...]:
    return prefix + _tokens(rng, rng.randint(*traffic.prompt_tokens) - len(prefix), vocab_size)


def _endpoint(traffic: Traffic, index: int) -> Endpoint:
    if traffic.endpoint == "both":
        return "openai" if index % 2 else "native"
    return "openai" if traffic.endpoint == "openai" else "native"


def _is_streamed(traffic: Traffic, index: int) -> bool:
    """Every other pair where some are, so that each endpoint gets both."""
    return traffic.stream == "all" or (traffic.stream == "some" and index // 2 % 2 == 1)


def _abort_after(rng: random.Random, traffic: Traffic) -> int:
    return rng.randint(1, max(1, (traffic.output_tokens or 2) // 2))
