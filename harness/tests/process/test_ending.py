"""The table from what was seen to how an arm ended."""

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.process.ending import conclude, exit_of, signal_name
from harness.process.hearing import Heard
from harness.process.job import OWN_FAILURE, Files


def _report(**changes: Any) -> dict[str, Any]:
    blank = {"killed_for": None, "message": None, "code": 0, "signal": None, "kernel_kills": 0}
    return {**blank, "seconds": 1.0, "leftovers": [], **changes}


def _error(memory: bool = False) -> dict[str, Any]:
    return {"type": "ValueError", "message": "no", "traceback": "", "memory": memory}


@pytest.mark.parametrize(
    ("report", "error", "has_result", "log", "how"),
    [
        (_report(), None, True, "", "clean"),
        (_report(), None, False, "", "exception"),
        (_report(code=3), None, True, "", "exception"),
        (_report(code=1), _error(), False, "", "exception"),
        (_report(code=0), _error(), False, "", "exception"),
        (_report(code=1), _error(memory=True), False, "", "out-of-memory"),
        (_report(code=OWN_FAILURE), None, False, "", "lost"),
        (_report(code=None, signal=11), None, False, "std::bad_alloc", "crash"),
        (_report(code=None, signal=6), None, False, "assert failed", "crash"),
        (_report(code=None, signal=6), None, False, "what():  std::bad_alloc", "out-of-memory"),
        (_report(code=None, signal=9), None, False, "", "crash"),
        (_report(code=None, signal=9, kernel_kills=1), None, False, "", "out-of-memory"),
        (_report(code=None, signal=9, killed_for="time-out"), None, True, "", "time-out"),
        (_report(code=0, killed_for="out-of-memory"), None, True, "", "out-of-memory"),
    ],
)
def test_the_table(report: Any, error: Any, has_result: bool, log: str, how: str) -> None:
    assert exit_of(report, error, has_result, log).how == how


@given(
    killed_for=st.sampled_from([None, "time-out", "out-of-memory"]),
    status=st.one_of(st.tuples(st.integers(0, 255), st.none()), st.tuples(st.none(), st.integers(1, 64))),
    error=st.sampled_from([None, _error(), _error(memory=True)]),
    has_result=st.booleans(),
    log=st.sampled_from(["", "std::bad_alloc", "MemoryError"]),
    kills=st.integers(0, 1),
)
def test_clean_takes_a_result_and_nothing_against_it(
    killed_for: Any, status: Any, error: Any, has_result: bool, log: str, kills: int
) -> None:
    report = _report(killed_for=killed_for, code=status[0], signal=status[1], kernel_kills=kills)
    ending = exit_of(report, error, has_result, log)
    spotless = has_result and status == (0, None) and not killed_for and error is None
    assert (ending.how == "clean") == spotless
    assert ending.how in {"clean", "exception", "crash", "time-out", "out-of-memory", "lost"}
    assert (ending.how == "crash") <= (ending.signal is not None)


def test_the_last_word_of_an_arm_that_was_killed_does_not_count(tmp_path: Path) -> None:
    late = Heard(answers=(1,), last={"result": {"too": "late"}, "error": _error()})
    report = _report(code=None, signal=9, killed_for="time-out", message="no result within 1 s")
    ended = conclude(Files(tmp_path), report, late)
    assert (ended.exit.how, ended.result, ended.error) == ("time-out", None, None)
    assert ended.answers == (1,)


@pytest.mark.parametrize("report", [_report(), _report(code=None, signal=11), _report(killed_for="lost")])
def test_nothing_counts_of_an_arm_whose_words_are_forged(report: Any, tmp_path: Path) -> None:
    forged = Heard(answers=(1,), told={"a": 1}, last={"result": {}}, problem="forged or broken: x")
    ended = conclude(Files(tmp_path), report, forged)
    assert (ended.exit.how, ended.exit.message) == ("lost", "forged or broken: x")
    assert (ended.result, ended.answers, ended.told) == (None, (), {})


def test_files_that_lie_in_the_folder_are_no_evidence(tmp_path: Path) -> None:
    Files(tmp_path).result.write_text('{"points": []}')
    ended = conclude(Files(tmp_path), _report(), Heard())
    assert (ended.exit.how, ended.result) == ("exception", None)


def test_signals_have_names() -> None:
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(signal.SIGRTMIN + 5) == f"signal {signal.SIGRTMIN + 5}"
