"""What a server answered, and where two sets of answers part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.observation import Fault
from harness.observation.normalise import message

Trouble = Literal["rejected", "failed", "lost", "hang"]
"""A 4xx answer; a 5xx answer or an error in mid-stream; a broken connection; no token for too long."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One request's answer: as many `tokens` and (natural) `logprobs` as came before it ended.

    `finish` is upstream's reason: `length`, `stop` or `abort`. `given_up` is set where we aborted it.
    """

    rid: str
    prompt_ids: tuple[int, ...]
    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish: str | None = None
    status: int | None = None
    trouble: Trouble | None = None
    error: str | None = None
    given_up: bool = False

    @property
    def is_comparable(self) -> bool:
        """Whether it was meant to be whole; where it is not, that is a difference."""
        return not self.given_up

    @property
    def is_whole(self) -> bool:
        return self.trouble is None and self.finish in ("length", "stop")

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where the first differing request differs.

    `token` is the index in the answer, `here` and `there` the two token ids (or how each ended),
    `distance` that of the two log-probabilities at `token`.
    """

    rid: str
    token: int
    here: str
    there: str
    distance: float | None = None

    def __str__(self) -> str:
        far = f", log-probabilities {self.distance:.3g} apart" if self.distance is not None else ""
        return f"{self.rid}: token {self.token} is {self.here}, not {self.there}{far}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sets of answers, request by request: `differing` are the ids, `first` is where it begins.

    `distance` is the largest between log-probabilities of equal tokens, up to the first differing one
    of each request: beyond that they answer different questions.
    """

    compared: int
    differing: tuple[str, ...] = ()
    first: Difference | None = None
    distance: float = 0.0

    @property
    def is_equal(self) -> bool:
        return not self.differing

    def to_json(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "differing": list(self.differing),
            "first": asdict(self.first) if self.first else None,
            "distance": self.distance,
        }


def compare(here: Sequence[Answer], there: Sequence[Answer], atol: float, rtol: float = 0.0) -> Comparison:
    """Holds `here` against `there`, by the order of the requests.

    They differ where tokens differ, where one is not whole, or where log-probabilities are further
    apart than atol + rtol * |there|. Answers given up on either side are left out. Raises ValueError
    where the two do not answer the same prompts.
    """
    if [answer.prompt_ids for answer in here] != [answer.prompt_ids for answer in there]:
        raise ValueError("the two sets of answers are to different prompts")
    pairs = [pair for pair in zip(here, there, strict=True) if all(answer.is_comparable for answer in pair)]
    found = [difference for one, other in pairs if (difference := differ(one, other, atol, rtol))]
    return Comparison(
        compared=len(pairs),
        differing=tuple(difference.rid for difference in found),
        first=found[0] if found else None,
        distance=max((distance(*pair) for pair in pairs), default=0.0),
    )


def differ(here: Answer, there: Answer, atol: float, rtol: float = 0.0) -> Difference | None:
    """The first place where `here` is not `there`; None if there is none."""
    for at, (one, other) in enumerate(zip(here.tokens, there.tokens, strict=False)):
        far = _apart(here, there, at)
        if one != other:
            return Difference(rid=here.rid, token=at, here=str(one), there=str(other), distance=far)
        if far and not far <= atol + rtol * abs(there.logprobs[at]):
            return Difference(rid=here.rid, token=at, here=str(one), there=str(other), distance=far)
    shorter = min(len(here.tokens), len(there.tokens))
    if len(here.tokens) != len(there.tokens) or not (here.is_whole and there.is_whole):
        return Difference(rid=here.rid, token=shorter, here=_end(here), there=_end(there))
    return None


def distance(here: Answer, there: Answer) -> float:
    """The largest distance of log-probabilities as long as the tokens agree."""
    largest = 0.0
    for at, (one, other) in enumerate(zip(here.tokens, there.tokens, strict=False)):
        if one != other:
            break
        largest = max(largest, _apart(here, there, at) or 0.0)
    return largest


def against(
    answers: Sequence[Answer], expected: Mapping[str, tuple[Sequence[int], Sequence[float]]]
) -> list[Answer]:
    """The answers that a reference gives to the same requests, for `compare`.

    `expected` has (tokens, log-probabilities) by `rid`. What it does not have, it was not asked.
    """
    return [
        Answer(
            rid=answer.rid,
            prompt_ids=answer.prompt_ids,
            tokens=tuple(expected[answer.rid][0]),
            logprobs=tuple(expected[answer.rid][1]),
            finish="length",
        )
        for answer in answers
        if answer.rid in expected
    ]


def faults(answers: Iterable[Answer], patience: float) -> tuple[Fault, ...]:
    """The hang, if any request got no token for `patience` seconds."""
    if any(answer.trouble == "hang" for answer in answers):
        return (Fault(kind="hang", message=message(f"no token for {patience:g} s")),)
    return ()


def not_a_number(answers: Iterable[Answer]) -> tuple[str, ...]:
    """Requests whose log-probabilities are not all finite numbers."""
    return tuple(answer.rid for answer in answers if not all(map(math.isfinite, answer.logprobs)))


def _apart(here: Answer, there: Answer, at: int) -> float | None:
    """The distance of two log-probabilities, infinite where just one is no number; None if not known."""
    if at >= min(len(here.logprobs), len(there.logprobs)):
        return None
    one, other = here.logprobs[at], there.logprobs[at]
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    far = abs(one - other)
    return math.inf if math.isnan(far) else far


def _end(answer: Answer) -> str:
    return f"the end ({answer.trouble or answer.finish or 'cut off'})"
