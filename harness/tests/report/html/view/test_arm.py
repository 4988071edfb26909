"""An arm's faults as the page draws and words them."""

from __future__ import annotations

from dataclasses import replace

from harness.observation import Fault
from harness.tests.report.html.pages import made
from harness.tests.report.runs import judged, passing, run
from harness.tests.samples import arm, case, point


def test_the_fault_is_drawn_with_its_numbers() -> None:
    text = made(run(passing()))
    told = "table holds 8 elements; fill writes 4 elements outside it, at indices 8 to 11"
    assert f'aria-label="{told}"' in text
    assert "<b>stray</b><span>8 … 11</span><span>4 elements</span>" in text


def test_a_signature_is_not_called_a_fault() -> None:
    seen = Fault(kind="signature", buffer="result", kernel="k", count=1)
    one = judged(case(reverted=arm("reverted", point(16, seen), point(1))))
    text = made(run(replace(one, evidence="signature")))
    assert '<span class="badge bad">signature</span>' in text
    assert '<span class="badge bad">fault</span>' not in text
    assert "No signature at the default point." in text


def test_a_servers_fault_is_drawn_from_the_first_stray_that_was_noted() -> None:
    fault = Fault(kind="oob-read", buffer="pool", kernel="k", process="scheduler")
    notes = (
        "oob-read from pool by k2 numel=1 first=9 last=9 count=1 in scheduler",
        "oob-read from pool by k numel=8 first=8 last=11 count=4 in scheduler, EXTEND of r0",
    )
    seen = arm("reverted", replace(point(16, fault), notes=notes), point(1))
    text = made(run(judged(case(reverted=seen), tier="server")))
    assert "pool holds 8 elements; k reads 4 elements outside it, at indices 8 to 11: the first" in text
    bare = arm("reverted", point(16, fault), point(1))
    assert "pool holds 8" not in made(run(judged(case(reverted=bare), tier="server")))
