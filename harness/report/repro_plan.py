"""What a run of one bug is about to do, a line a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.facts import Subject, Tier
from harness.observation.compare import named_params
from harness.source.tree import Tree
from harness.suite import Request
from harness.suite.repro_plan import Step


def lines(subject: Subject, tree: Tree, steps: Sequence[Step]) -> Iterator[str]:
    """The subject and the tree, then each case: what runs and how long it took, or why it does not."""
    yield f"{subject.title}"
    yield f"sglang {tree.version or 'of an unknown version'} ({tree.origin})"
    tiers = max(len(step.request.tier) for step in steps)
    places = max(len(str(step.platform)) for step in steps)
    for step in steps:
        word = "run" if step.runs else "not run"
        yield f"  {word:<7}  {step.request.tier:<{tiers}}  {step.platform!s:<{places}}  {_told(step)}"


def _told(step: Step) -> str:
    if step.lacks:
        return step.lacks
    if step.put_off:
        return f"{step.put_off}; ask for it: {step.command}"
    return f"{_points(step.request)}; {_last(step)}"


def _points(request: Request) -> str:
    """The parameters of the default point that the grid varies, or all, and how many points there are."""
    first, *others = request.points
    case = request.case
    varied = first if request.by_hand else {name: first[name] for name in case.grid} or first
    count = f" and {len(others)} other point{'s' if others[1:] else ''}" if others else ""
    return (named_params(varied) if first else _load(request)) + count


def _load(request: Request) -> str:
    """What a case without parameters does: the load of a server."""
    if request.tier is not Tier.SERVER:
        return "one point"
    case = request.case
    return (
        f"{case.model}, {case.traffic.requests} requests, {case.traffic.concurrency} at a time"
        f"{f', {case.traffic.rounds} times over' if case.traffic.rounds > 1 else ''}"
    )


def _last(step: Step) -> str:
    if step.last is None:
        return "no record yet of how long it takes"
    arms = " and ".join(f"{seconds:.0f} s ({name})" for name, seconds in step.last.arms.items())
    return f"last time {arms}"
