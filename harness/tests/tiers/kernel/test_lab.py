"""What a reproducer gets to work with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from harness.errors import BadInput, FactsError
from harness.facts import DeclaredKind, watch
from harness.memory.oracle import Oracle
from harness.observation import Fault
from harness.tiers.kernel.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(folder=tmp_path, root=tmp_path, oracle=Oracle(), entered=lambda kernel: None)


def test_a_short_buffer_is_reported_with_what_it_needs(lab: Lab) -> None:
    lab.require("indptr", torch.zeros(4), 5)
    lab.require("indptr", torch.zeros(4), 5)
    lab.require("mask", torch.zeros(2, 3), 6)
    assert list(lab.oracle.violations.faults()) == [
        Fault(kind="short-buffer", buffer="indptr", numel=4, needed=5)
    ]
    assert {"buffer": "mask", "numel": 6, "needed": 6}.items() <= lab.oracle.trace()[-1].items()


def test_a_declared_kind_is_reported_once_with_its_numbers(lab: Lab) -> None:
    kind = DeclaredKind("acme:lost-page", "a page is lost")
    for _ in range(2):
        lab.report(kind, "pages", count=2, numel=8, message="at 0x7f00")
    assert list(lab.oracle.violations.faults()) == [
        Fault(kind="acme:lost-page", buffer="pages", count=2, numel=8, message="at ADDR")
    ]
    for count in (0, 9):
        with pytest.raises(FactsError, match=rf"{count} of 8 elements of pages: report what is wrong"):
            lab.report(kind, "pages", count=count, numel=8)
    with pytest.raises(FactsError, match="'nan' is no DeclaredKind: what Refault knows, it finds itself"):
        lab.report("nan", "pages", count=1, numel=8)  # type: ignore[arg-type]


def test_variables_hold_for_the_block_and_are_put_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_OLD", "old")
    monkeypatch.delenv("TOY_NEW", raising=False)
    with pytest.raises(ValueError), lab.environment(TOY_OLD="1", TOY_NEW="2"):
        assert (os.environ["TOY_OLD"], os.environ["TOY_NEW"]) == ("1", "2")
        raise ValueError
    assert os.environ["TOY_OLD"] == "old" and "TOY_NEW" not in os.environ


def test_a_phase_is_marked_in_the_trace(lab: Lab) -> None:
    with lab.observe("capture"):
        pass
    assert {"event": "phase", "phase": "capture"}.items() <= lab.oracle.trace()[0].items()


def test_notes_are_kept_in_order(lab: Lab) -> None:
    lab.note("one")
    lab.note("two")
    assert lab.notes == ["one", "two"]


# --- upstream's functions --------------------------------------------------------------------------

POOL = """
def pages(tokens):
    return tokens // 16


def outer():
    def inner():
        pass


class Pool:
    def grow(self, rows):
        return rows + 1
"""


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab of a package that keeps its functions two folders down, one of them twice."""
    package = tmp_path / "toy_of_upstream"
    (package / "deep").mkdir(parents=True)
    files = {"__init__": "", "deep/__init__": "", "deep/pool": POOL}
    files |= {"first": "def twice(): return 1\n", "second": "def twice(): return 2\n"}
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Lab(folder=tmp_path, root=package, oracle=Oracle(), entered=lambda kernel: None)


def test_a_function_is_found_wherever_it_is(moved: Lab) -> None:
    assert moved.upstream("pages")(64) == 4
    assert moved.upstream("class Pool")().grow(1) == moved.upstream("Pool.grow")(None, 1) == 2


def test_a_function_of_several_modules_is_chosen(moved: Lab) -> None:
    with pytest.raises(BadInput, match=r"toy_of_upstream\.first, toy_of_upstream\.second have one each"):
        moved.upstream("twice")
    assert moved.upstream("twice", in_module="toy_of_upstream.second")() == 2


def test_what_the_tree_lacks_or_nobody_can_reach_is_named(moved: Lab) -> None:
    with pytest.raises(BadInput, match=r"lab\.upstream\('page'\): the tree has none; nearest: pages"):
        moved.upstream("page")
    with pytest.raises(BadInput, match=r"toy_of_upstream\.deep\.pool has it inside of a function"):
        moved.upstream("outer.inner")


# --- what is judged --------------------------------------------------------------------------------

TABLE = watch("oob-write", buffers=("table",))


@pytest.mark.parametrize(
    ("fault", "is_judged"),
    [
        (Fault(kind="oob-write", buffer="table"), True),
        (Fault(kind="oob-write", buffer="neighbour"), False),
        (Fault(kind="oob-read", buffer="table"), False),
        (Fault(kind="oob-write"), False),
        *((Fault(kind=kind), True) for kind in ("exception", "crash", "hang", "device-fault")),
    ],
)
def test_a_fault_outside_the_watch_is_a_finding_unless_it_ends_the_run(fault: Fault, is_judged: bool) -> None:
    assert TABLE.judges(fault.kind, fault.buffer) is is_judged


def test_a_watch_without_buffers_judges_every_buffer() -> None:
    assert watch("oob-write").judges("oob-write", "anything")
