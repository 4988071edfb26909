"""Holds a server's answers against the model's float64 reference, and against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.facts import ServerCase, Tolerance
from harness.models import Model
from harness.models.reference import Reference, Score
from harness.observation import Event, Fault
from harness.traffic.answers import Answer, against, compare, differ, distance, not_a_number
from harness.traffic.drive import Driven

_DIGITS = 7
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


def judge(driven: Driven, model: Model, case: ServerCase) -> Judged:
    """The last round's answers and those that were asked for alone; aborted ones are left out.

    In the rounds before it only trouble counts: they are there to churn the pools.
    """
    due = [answer for answer in (*driven.last, *driven.alone) if answer.is_comparable]
    scores = _scores(due, model)
    wrong = [
        *_troubled(driven),
        *_unlike_reference(due, scores, case.tolerance),
        *_unlike_alone(driven, case.tolerance),
    ]
    return Judged(
        requests={answer.rid: _kept(answer) for answer in due},
        compared={"answers": _distance(due, scores, case.tolerance)},
        faults=tuple(dict.fromkeys(one.fault for one in wrong)),
        notes=tuple(dict.fromkeys(one.told for one in wrong)),
        trace=tuple({"event": "answer", "request": answer.rid, **_kept(answer)} for answer in due),
    )


def _scores(answers: Sequence[Answer], model: Model) -> Scores:
    """What the reference says to each answer; the same question is put to it once."""
    if not answers:
        return {}
    reference = Reference(model)
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], Score] = {}
    scores = {}
    for answer in (one for one in answers if one.tokens):
        asked = answer.prompt_ids, answer.tokens
        known[asked] = known.get(asked) or reference.score(*asked)
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


def _unlike_reference(answers: Sequence[Answer], scores: Scores, tolerance: Tolerance) -> Iterator[Wrong]:
    whole = [answer for answer in answers if answer.is_whole]
    lost = set(not_a_number(whole))
    expected = {rid: (score.greedy, score.logprobs) for rid, score in scores.items()}
    for answer, due in zip(whole, against(whole, expected), strict=True):
        if answer.rid in lost:
            fault = Fault(kind="nan", buffer="logprobs")
            yield Wrong(fault, f"{answer.rid}: a log-probability is no finite number")
        if answer.tokens != due.tokens:
            yield Wrong(Fault(kind="wrong-value", buffer="tokens"), _token_told(answer, scores[answer.rid]))
        elif found := differ(answer, due, tolerance.absolute, tolerance.relative):
            fault = Fault(kind="wrong-value", buffer="logprobs")
            yield Wrong(fault, f"{found}, in the float64 reference")


def _token_told(answer: Answer, score: Score) -> str:
    """The first token that is not the reference's; what follows it has another past."""
    pairs = enumerate(zip(answer.tokens, score.greedy, strict=True))
    at, (seen, due) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
    told = f"token {at} is {seen}, the float64 reference's is {due}"
    return f"{answer.rid}: {told}, {score.margins[at]:.3g} above its second best"


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
    expected = {rid: (score.greedy, score.logprobs) for rid, score in scores.items()}
    pairs = zip(scored, against(scored, expected), strict=True)
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
