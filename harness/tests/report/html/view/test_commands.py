"""The commands that a result offers."""

from __future__ import annotations

from dataclasses import replace

from harness.report.html import Sources
from harness.tests.report.html.pages import made
from harness.tests.report.runs import passing, run
from harness.tests.samples import named
from harness.tests.toyland.bench import bug

RATE = {"faults": 1, "runs": 4, "low": 0.1, "high": 0.9}


def test_the_reproducer_and_how_to_run_it_again() -> None:
    subject = bug("pr101_stray_store")
    assert subject.kernel is not None
    one = passing(reproducer=subject.id, pr=101, params=subject.kernel.default)
    text = made(run(one), sources=Sources(subjects={subject.id: subject}))
    assert f"symptom: {subject.bug.symptom}" in text
    assert "refault repro 101 --tier kernel</code>" in text


def test_what_was_chosen_by_hand_is_in_the_command() -> None:
    subject = bug("pr101_stray_store")
    assert subject.kernel is not None
    known = Sources(subjects={subject.id: subject})
    again = "refault repro 101 --tier kernel"
    default = subject.kernel.default
    name = next(iter(default))
    for one, more in (
        (passing(params=default), ""),
        (passing(params={**default, name: 3}), f" --set {name}=3"),
        (passing(params=default, rates={"fixed": RATE, "reverted": RATE}), " --repeat 4"),
        (replace(passing(params=default), verdict=None, reverted=None), " --arm fixed"),
    ):
        text = made(run(named(replace(one, pr=101), subject.id)), sources=known)
        assert f"<code>{again}{more}</code>" in text
