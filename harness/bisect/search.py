"""Halving: which neighbours in a line of candidates part good from bad, in as few probes as can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import BadInput
from harness.observation.rates import Rate


class Answer(StrEnum):
    """What a probe says. A candidate that cannot be judged is neither good nor bad."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One probe: how often the fault was seen in how many runs, and in what words."""

    name: str
    answer: Answer
    reason: str
    rate: Rate = field(default_factory=Rate)


Probe = Callable[[str], Step]


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """The last candidate of one kind and the first of the other, both measured.

    `between` are candidates that lie between them and could not be judged, `steps` all probes in
    the order in which they were made.
    """

    before: Step
    after: Step
    between: tuple[Step, ...]
    steps: tuple[Step, ...]

    @property
    def word(self) -> str:
        """What happened here, going on in the line."""
        return "introduced" if self.before.answer is Answer.GOOD else "fixed"

    @property
    def confidence(self) -> float:
        """The least probability that no good candidate merely hid the fault.

        A fault that was seen is certain. One that shows at a rate p stays hidden in n runs with
        probability (1 - p)^n, and p is taken as the lowest that fits all bad runs (Wilson, 95 %).
        """
        bad = [step.rate for step in self.steps if step.answer is Answer.BAD]
        good = [step.rate for step in self.steps if step.answer is Answer.GOOD]
        seen = Rate(sum(rate.hits for rate in bad), sum(rate.runs for rate in bad))
        lowest = seen.interval()[0]
        return max(0.0, 1.0 - sum((1.0 - lowest) ** rate.runs for rate in good))

    @property
    def always(self) -> bool:
        """Whether the fault showed in every run of every bad candidate."""
        return all(step.rate.hits == step.rate.runs for step in self.steps if step.answer is Answer.BAD)


def most(candidates: int) -> int:
    """How many probes it takes at most, both ends counted among the candidates, if none is skipped.

    Halving takes log2 of the gaps, rounded up. One more measures the given end at the boundary;
    two neighbours are both measured.
    """
    return 2 if candidates == 2 else math.ceil(math.log2(candidates - 1)) + 1


def search(names: Sequence[str], first: Answer, probe: Probe) -> Boundary:
    """The boundary in `names`, of which the first is said to be `first` and the last the opposite.

    The ends are taken as told until one lies at the boundary: then it is measured. BadInput if that
    shows the other thing, or nothing.
    """
    steps: dict[int, Step] = {}
    low, high = 0, len(names) - 1
    while (middle := _middle(low, high, steps)) is not None:
        steps[middle] = probe(names[middle])
        if steps[middle].answer is first:
            low = middle
        elif steps[middle].answer is not Answer.SKIPPED:
            high = middle
    other = Answer.BAD if first is Answer.GOOD else Answer.GOOD
    for end, told in ((low, first), (high, other)):
        if end not in steps:
            steps[end] = probe(names[end])
            _hold_to(told, steps[end])
    between = tuple(steps[index] for index in range(low + 1, high))
    return Boundary(before=steps[low], after=steps[high], between=between, steps=tuple(steps.values()))


def _middle(low: int, high: int, steps: dict[int, Step]) -> int | None:
    """The candidate nearest to the middle that was not probed; None if there is none left."""
    left = [index for index in range(low + 1, high) if index not in steps]
    return min(left, key=lambda index: abs(2 * index - low - high), default=None)


def _hold_to(told: Answer, step: Step) -> None:
    if step.answer is Answer.SKIPPED:
        problem = f"{step.name} was given as {told} and cannot be judged ({step.reason})"
        raise BadInput(f"{problem}: give another one beyond it")
    if step.answer is not told:
        problem = f"{step.name} was given as {told} and is {step.answer} ({step.reason})"
        raise BadInput(f"{problem}: give --good and --bad that are")
