"""What a server's processes are told and what they leave behind, read back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Unresolved
from harness.host import boot
from harness.observation import Attestation, Fault
from harness.tiers import served
from harness.tiers.served import ATTESTATION, FAULTS, VARIABLE, Served

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


def process(folder: Path, name: str, *lines: dict[str, Any]) -> None:
    """A process's report as it lies in the folder."""
    (folder / name).mkdir()
    attestation = Attestation(tree="hash", root="/tree", entered=("fill",))
    (folder / name / ATTESTATION).write_text(json.dumps(attestation.to_json()))
    (folder / name / FAULTS).write_text("".join(json.dumps(line) + "\n" for line in lines))


def line(fault: Fault, batch: int = 1) -> dict[str, Any]:
    served = {"requests": ["r-1", "r-2"], "mode": "EXTEND", "place": "fill:7", "batch": batch}
    return {"fault": fault.to_json(), **served}


def test_the_environment_names_settings_that_hold_everything(tmp_path: Path) -> None:
    variables = told(tmp_path).environment(tmp_path)
    settings = json.loads(Path(variables[VARIABLE]).read_text())
    assert settings["functions"] == {"wares.pages": ["fill"]}
    assert settings["root"] == settings["reports"] == str(tmp_path)
    assert (settings["platform"], settings["oracle"]) == ("cpu", True)
    assert settings["bytecode"] == {"file": "", "sha256": ""}
    assert settings["entry"] == served.ENTRY and settings["package"] == "wares"


def test_the_boot_folder_comes_first_and_the_user_s_path_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/users/own")
    first, *_, last = told(tmp_path).environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert (first, last) == (str(Path(boot.__file__).parent), "/users/own")


def test_reports_come_back_by_role_with_strays_of_their_process(tmp_path: Path) -> None:
    process(tmp_path, "server.10")
    process(tmp_path, "scheduler TP1.12", line(FAULT))
    process(tmp_path, "scheduler TP0.13")
    found = served.collect(tmp_path)
    assert [(report.role, report.pid) for report in found] == [
        ("scheduler TP0", 13),
        ("scheduler TP1", 12),
        ("server", 10),
    ]
    (stray,) = found[1].strays
    assert stray.fault.process == "scheduler TP1" and stray.requests == ("r-1", "r-2")
    assert (stray.mode, stray.place, stray.batch) == ("EXTEND", "fill:7", 1)
    assert found[2].attestation.entered == ("fill",)


def test_the_last_word_on_a_fault_counts_batch_by_batch(tmp_path: Path) -> None:
    grown = Fault(**{**vars(FAULT), "last": 9, "count": 3})
    process(tmp_path, "scheduler.1", line(FAULT), line(grown), line(FAULT, batch=2))
    (report,) = served.collect(tmp_path)
    assert [(stray.batch, stray.fault.count) for stray in report.strays] == [(1, 3), (2, 1)]


def test_a_line_that_was_being_written_when_the_process_died_is_none(tmp_path: Path) -> None:
    process(tmp_path, "scheduler.1", line(FAULT))
    file = tmp_path / "scheduler.1" / FAULTS
    file.write_text(file.read_text() + '{"fault": {"kind"')
    (report,) = served.collect(tmp_path)
    assert len(report.strays) == 1


def test_a_process_that_could_not_attest_is_unresolved(tmp_path: Path) -> None:
    process(tmp_path, "scheduler.1")
    (tmp_path / "scheduler.1" / ATTESTATION).write_text(json.dumps({"problem": "found outside the tree"}))
    with pytest.raises(Unresolved, match=r"scheduler\.1 has no attestation: found outside the tree"):
        served.collect(tmp_path)
    (tmp_path / "scheduler.1" / ATTESTATION).unlink()
    with pytest.raises(Unresolved, match="has no attestation"):
        served.collect(tmp_path)
