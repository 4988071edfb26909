"""Runs a case again and again: a flaky fault is told by its rate, never retried until it suits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.observation.rates import Rate, Rates
from harness.suite import Judged, Request, Suite
from harness.verdict import SEVERITY, Result, Verdict


def repeated(request: Request, suite: Suite, most: int) -> Iterator[Judged]:
    """Every run of the case: `most`, or as many as it takes until the arms' rates are surely apart."""
    results: list[Result] = []
    while len(results) < most and not _rates(results).settled:
        (judged,) = suite.run([request])
        results.append(judged.result)
        yield judged
        if judged.result.verdict is Verdict.UNSUPPORTED:
            return


def summed(runs: Sequence[Judged]) -> Judged:
    """One result for all runs: the worst verdict that there was, with the rate of faults of each arm."""
    worst = max(runs, key=lambda run: _rank(run.result))
    rates = _rates([run.result for run in runs])
    told = {"fixed": rates.fixed, "reverted": rates.reverted}
    spoken = _spoken(told)  # of nothing, where no arm came to run
    reason = f"{worst.result.reason}; faults in {spoken}" if spoken else worst.result.reason
    seconds = sum(run.result.seconds for run in runs)
    shown = {arm: rate.to_json() for arm, rate in told.items() if rate.runs}
    return replace(worst, result=replace(worst.result, reason=reason, rates=shown, seconds=seconds))


def _spoken(rates: dict[str, Rate]) -> str:
    return ", ".join(f"{rate} runs of the {arm} arm" for arm, rate in rates.items() if rate.runs)


def _rank(result: Result) -> int:
    return SEVERITY.index(result.verdict) if result.verdict else -1


def _rates(results: Sequence[Result]) -> Rates:
    """The rates of the runs in which something came back from an arm."""
    return Rates(fixed=_rate(results, "fixed"), reverted=_rate(results, "reverted"))


def _rate(results: Sequence[Result], arm: str) -> Rate:
    seen = [result.arms[arm] for result in results if arm in result.arms]
    whole = [observation for observation in seen if observation.unresolved is None]
    faulty = [observation for observation in whole if any(point.faults for point in observation.points)]
    return Rate(hits=len(faulty), runs=len(whole))
