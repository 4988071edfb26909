"""What a server's processes are told and what they leave behind, read back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Forged, Unresolved
from harness.host import boot
from harness.observation import Attestation, Fault
from harness.serving.reports import EVENT, STRAY, Told
from harness.tiers.server import processes
from harness.tiers.server.processes import VARIABLE, Served

FAULT = Fault(kind="oob-read", buffer="table", kernel="fill", numel=4, first=5, last=5, count=1)


def told(tmp_path: Path, **more: Any) -> Served:
    return Served(
        root=tmp_path,
        package="wares",
        tree="hash",
        functions={"wares.pages": ("fill",)},
        reports=tmp_path,
        **more,
    )


def process(role: str, pid: int, *lines: dict[str, Any]) -> Told:
    """What a process was heard to say."""
    attestation = Attestation(tree="hash", root="/tree", entered=("fill",))
    heard = {STRAY: json.loads(json.dumps(lines)), EVENT: []}
    return Told(pid, role, json.loads(json.dumps(attestation.to_json())), heard)


def line(fault: Fault, batch: int = 1) -> dict[str, Any]:
    served = {"requests": ["r-1", "r-2"], "mode": "EXTEND", "place": "fill:7", "batch": batch}
    return {"fault": fault.to_json(), **served}


def test_the_environment_names_settings_that_hold_everything(tmp_path: Path) -> None:
    variables = told(tmp_path).environment(tmp_path)
    settings = json.loads(Path(variables[VARIABLE]).read_text(encoding="utf-8"))
    assert settings["functions"] == {"wares.pages": ["fill"]}
    assert settings["root"] == settings["reports"] == str(tmp_path)
    assert (settings["host"], settings["oracle"]) == ("cpu", True)
    assert settings["bytecode"] == {"file": "", "sha256": ""}
    assert settings["entry"] == processes.ENTRY and settings["package"] == "wares"


def test_the_boot_folder_comes_first_and_the_user_s_path_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/users/own")
    first, *_, last = told(tmp_path).environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert (first, last) == (str(Path(boot.__file__).parent), "/users/own")


def test_reports_come_back_by_role_with_strays_of_their_process() -> None:
    told = (process("server", 10), process("scheduler TP1", 12, line(FAULT)), process("scheduler TP0", 13))
    found = processes.collect(told)
    assert [(report.role, report.pid) for report in found] == [
        ("scheduler TP0", 13),
        ("scheduler TP1", 12),
        ("server", 10),
    ]
    (violation,) = found[1].violations
    assert violation.fault.process == "scheduler TP1" and violation.requests == ("r-1", "r-2")
    assert (violation.mode, violation.place, violation.batch) == ("EXTEND", "fill:7", 1)
    assert found[2].attestation.entered == ("fill",)


def test_the_last_word_on_a_fault_counts_batch_by_batch() -> None:
    grown = Fault(**{**vars(FAULT), "last": 9, "count": 3})
    told = process("scheduler", 1, line(FAULT), line(grown), line(FAULT, batch=2))
    (report,) = processes.collect([told])
    assert [(violation.batch, violation.fault.count) for violation in report.violations] == [(1, 3), (2, 1)]


def test_a_process_that_could_not_attest_is_unresolved() -> None:
    told = Told(1, "scheduler", {"problem": "found outside the tree"})
    with pytest.raises(Unresolved, match=r"scheduler\.1 has no attestation: found outside the tree"):
        processes.collect([told])
    with pytest.raises(Unresolved, match="has no attestation"):
        processes.collect([Told(1, "scheduler")])


def test_a_report_in_a_file_that_nobody_was_heard_to_make_is_forged(tmp_path: Path) -> None:
    for name in ("scheduler.1", "renamed.2"):
        (tmp_path / name).mkdir()
    processes.hold_to_be_heard([Told(1, "scheduler"), Told(2, "detokenizer")], tmp_path)
    with pytest.raises(Forged, match=r"renamed\.2 reported in a file, and was not heard"):
        processes.hold_to_be_heard([Told(1, "scheduler")], tmp_path)
