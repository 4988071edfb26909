"""A bisection for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import __version__
from harness.bisect.search import Answer, Boundary, Step
from harness.facts import Reproducer


def told(step: Step, name: str) -> str:
    """One probe in a line; `name` is what people call the candidate."""
    often = f" in {step.rate.hits} of {step.rate.runs} runs" if step.rate.runs > 1 else ""
    return f"{step.answer.value:<8} {name}: {step.reason}{often}"


def lines(reproducer: Reproducer, found: Boundary, names: Mapping[str, str]) -> Iterator[str]:
    """What was found, in the end."""
    before, after = found.before, found.after
    where = f"{names[before.name]} ({before.answer}) and {names[after.name]} ({after.answer})"
    yield f"{reproducer.short_id}: {found.word} between {where}, after {_counted(len(found.steps))}"
    if found.between:
        yield f"or in one of {len(found.between)} between them that could not be judged:"
        yield from (f"  {names[step.name]}: {step.reason}" for step in found.between)
    if found.always and after.rate.runs == 1:
        yield "the fault showed wherever it was looked for once; --repeat N measures a rate"
    else:
        yield f"at least {found.confidence:.1%} sure that no good one merely hid the fault"


def document(
    reproducer: Reproducer, found: Boundary, line: str, names: Mapping[str, str], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON: `line` is what was walked, releases or commits."""
    good, bad = sorted((found.before, found.after), key=lambda step: step.answer is Answer.BAD)
    return {
        "refault": __version__,
        "machine": dict(machine),
        "reproducer": reproducer.id,
        "line": line,
        "what": found.word,
        "good": good.name,
        "bad": bad.name,
        "between": [step.name for step in found.between],
        "confidence": round(found.confidence, 6),
        "steps": [_step(step, names[step.name]) for step in found.steps],
    }


def begun(
    reproducer: Reproducer,
    steps: Sequence[Step],
    line: str,
    names: Mapping[str, str],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON of a bisection that was ended before it found the place."""
    head = {"refault": __version__, "machine": dict(machine), "reproducer": reproducer.id, "line": line}
    return {**head, "steps": [_step(step, names[step.name]) for step in steps]}


def _step(step: Step, title: str) -> dict[str, Any]:
    words = {"name": step.name, "title": title, "answer": step.answer.value, "reason": step.reason}
    return {**words, "hits": step.rate.hits, "runs": step.rate.runs}


def _counted(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"
