"""Holds a server's answers against the model's float64 reference, and against each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.facts import Sampling, Tolerance
from harness.models import Model
from harness.models.reference import Reference, Score
from harness.observation import Event, Fault
from harness.traffic.answers import Answer, against, compare, differ, distance, not_a_number
from harness.traffic.drive import Driven

_DIGITS = 7
_WRONG_TOKEN = Fault(kind="wrong-value", buffer="tokens")
_OFF = Fault(kind="wrong-value", buffer="logprobs")
Scores = Mapping[str, Score]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Answers as an observation keeps them, by request, and what was wrong with them."""

    requests: Mapping[str, Any]
    compared: Mapping[str, Any]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    trace: tuple[Event, ...]


@dataclass(frozen=True)
class Wrong:
    """One way in which an answer is wrong, and the sentence that says where."""

    fault: Fault
    told: str


def judge(
    driven: Driven,
    model: Model,
    tolerance: Tolerance,
    *,
    exact: bool = True,
    sampling: Sampling | None = None,
) -> Judged:
    """The last round's answers and those that were asked for alone; aborted ones are left out.

    Tokens have to be the reference's choice, or with `sampling` any that this allows. Without `exact` a batch
    may choose other tokens than a request alone, where both are near a tie.

    In the rounds before it only trouble counts: they are there to churn the pools. Beside a wrong token, a
    log-probability that is off at a right one is in the notes alone.
    """
    due = [answer for answer in (*driven.last, *driven.alone) if answer.is_comparable]
    scores = _scores(due, model, sampling)
    wrong = [
        *_troubled(driven),
        *_unlike_reference(due, scores, tolerance, drawn=sampling is not None),
        *(_unlike_alone(driven, tolerance) if exact else ()),
    ]
    return Judged(
        requests={answer.rid: _kept(answer) for answer in due},
        compared={"answers": _distance(due, scores, tolerance)},
        faults=_defined(dict.fromkeys(one.fault for one in wrong)),
        notes=tuple(dict.fromkeys(one.told for one in wrong)),
        trace=tuple({"event": "answer", "request": answer.rid, **_kept(answer)} for answer in due),
    )


def _defined(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Without those that come by chance: whether stray memory moves an answer by a whole token or only its
    log-probability depends on what it holds (#24394's reverted server on an H200: 1 of 4 runs)."""
    told = tuple(faults)
    return tuple(fault for fault in told if fault != _OFF or _WRONG_TOKEN not in told)


def _scores(answers: Sequence[Answer], model: Model, sampling: Sampling | None) -> Scores:
    """What the reference says to each answer; the same question is put to it once."""
    if not answers:
        return {}
    reference = Reference(model)
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], Score] = {}
    scores = {}
    for answer in (one for one in answers if one.tokens):
        asked = answer.prompt_ids, answer.tokens
        known[asked] = known.get(asked) or reference.score(*asked, sampling)
        scores[answer.rid] = known[asked]
    return scores


def _kept(answer: Answer) -> dict[str, Any]:
    logprobs = [float(f"{value:.{_DIGITS}g}") for value in answer.logprobs]
    return {"tokens": list(answer.tokens), "logprobs": logprobs, "finish": answer.finish}


def _troubled(driven: Driven) -> Iterator[Wrong]:
    """Requests that were not answered. That a connection was lost is told by whoever ended it."""
    for answer in driven.all:
        if answer.trouble in ("rejected", "failed"):
            fault = Fault(kind="exception", buffer="answer", message=answer.error)
            yield Wrong(fault, f"{answer.rid}: {answer.error}")


def _unlike_reference(
    answers: Sequence[Answer], scores: Scores, tolerance: Tolerance, *, drawn: bool
) -> Iterator[Wrong]:
    whole = [answer for answer in answers if answer.is_whole]
    lost = set(not_a_number(whole))
    expected = {rid: (score.greedy, score.logprobs) for rid, score in scores.items()}
    for answer, due in zip(whole, against(whole, expected), strict=True):
        if answer.rid in lost:
            fault = Fault(kind="nan", buffer="logprobs")
            yield Wrong(fault, f"{answer.rid}: a log-probability is no finite number")
        score = scores[answer.rid]
        if (at := _wrong_token(score, tolerance)) is not None:
            yield Wrong(_WRONG_TOKEN, _token_told(answer, score, at, drawn))
        elif found := differ(answer, replace(due, tokens=answer.tokens), *_bounds(tolerance)):
            yield Wrong(_OFF, f"{found}, in the float64 reference")


def _wrong_token(score: Score, tolerance: Tolerance) -> int | None:
    """The first token that the reference likes less than its own choice, by more than the tolerance."""
    allowed = tolerance.absolute
    return next((at for at, short in enumerate(score.shortfalls) if short > allowed), None)


def _token_told(answer: Answer, score: Score, at: int, drawn: bool) -> str:
    text, short = f"{answer.rid}: token {at} is {answer.tokens[at]}", f"{score.shortfalls[at]:.3g}"
    if drawn:
        return f"{text}, in the float64 reference {short} below all that may be drawn"
    return f"{text}, the float64 reference's is {score.greedy[at]}, {short} above it"


def _bounds(tolerance: Tolerance) -> tuple[float, float]:
    return tolerance.absolute, tolerance.relative


def _unlike_alone(driven: Driven, tolerance: Tolerance) -> Iterator[Wrong]:
    """Requests that were answered in another way in a batch than alone."""
    if not driven.alone:
        return
    found = compare(driven.batched, driven.alone, tolerance.absolute, tolerance.relative)
    if found.first:
        fault = Fault(kind="wrong-value", buffer="tokens", message="other in a batch than alone")
        yield Wrong(fault, f"{found.first}, which is what the same request alone is answered")


def _distance(answers: Sequence[Answer], scores: Scores, tolerance: Tolerance) -> dict[str, Any]:
    """How far all log-probabilities were from the reference, and how narrow its choices were."""
    scored = [answer for answer in answers if answer.rid in scores]
    own = {answer.rid: (answer.tokens, scores[answer.rid].logprobs) for answer in scored}
    pairs = zip(scored, against(scored, own), strict=True)
    furthest = max((distance(*pair) for pair in pairs), default=0.0)
    margins = [margin for score in scores.values() for margin in score.margins]
    return {
        "reference": "float64",
        "requests": len(scored),
        "elements": sum(len(answer.logprobs) for answer in scored),
        "max_abs": float(f"{furthest:.6g}") if math.isfinite(furthest) else str(furthest),
        "least_margin": float(f"{min(margins, default=0.0):.6g}"),
        "absolute": tolerance.absolute,
        "relative": tolerance.relative,
        "reason": tolerance.reason,
    }
