"""`refault triage`: what it prints of a log, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import app
from harness.commands import triage
from harness.errors import BadInput

LOG = """\
[2026-01-01 00:00:00] server_args=ServerArgs(attention_backend='triton', page_size=16)
[2026-01-01 00:00:01 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/a/sglang/srt/layers/attention/triton_backend.py", line 10, in _forward_extend_unified
    toy()
RuntimeError: CUDA error: an illegal memory access was encountered
"""


def run(*words: str, given: str | bytes | None = None) -> str:
    result = CliRunner().invoke(app, ["triage", *words], input=given)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_function_that_a_fix_changed_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_text(LOG)
    told = run(str(file)).splitlines()
    assert told[0] == (
        "fault:    device-fault in scheduler: CUDA error: an illegal memory access was encountered"
    )
    assert told[1].startswith(
        "match:    pr24394_swa_unified_extend_indices: the log names TritonAttnBackend."
    )
    assert told[-1] == "run next: refault repro 24394"


def test_the_same_as_json_from_standard_input() -> None:
    told = json.loads(run("-", "--json", "-", given=LOG))
    assert told["faults"] == [
        {
            "kind": "device-fault",
            "process": "scheduler",
            "message": "CUDA error: an illegal memory access was encountered",
        }
    ]
    assert (told["lacking"], told["storage"]) == (None, None)
    assert told["matches"][0]["reproducer"] == "pr24394_swa_unified_extend_indices"
    assert "_forward_extend_unified" in told["matches"][0]["why"]


def test_a_healthy_log_matches_nothing() -> None:
    told = json.loads(run("-", "--json", "-", given=LOG.splitlines()[0]))
    assert told == {"faults": [], "lacking": None, "storage": None, "matches": []}


def test_what_the_machine_lacked_matches_nothing() -> None:
    told = run("-", given=LOG.replace("an illegal memory access was encountered", "out of memory"))
    assert "lacking:  RuntimeError" in told
    assert "match:    none: give the machine what it lacked first" in told


def test_another_backend_than_the_reports_speaks_against_a_match() -> None:
    alike, other = reasons(LOG), reasons(LOG.replace("'triton'", "'toy'"))
    assert "--attention-backend triton" in alike
    assert "but --attention-backend is toy, not triton" in other


def reasons(log: str) -> str:
    found: list[dict[str, str]] = json.loads(run("-", "--json", "-", given=log))["matches"]
    return next(match["why"] for match in found if match["reproducer"].startswith("pr24394"))


@pytest.mark.parametrize("content", [b"\x7fELF\0\0", b"text\0"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "binary"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="is no text"):
        run(str(file))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        run(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="Is a directory"):
        run(str(tmp_path))


def test_of_a_huge_log_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triage, "LARGEST", 4096)
    monkeypatch.setattr(triage, "_PIECE", 1000)
    file = tmp_path / "server.log"
    file.write_text("Fatal Python error: Aborted\n" + "noise\n" * 5000 + LOG)
    assert "Aborted" not in run(str(file))
    assert "illegal memory access" in run(str(file))


def test_other_encodings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_bytes(LOG.encode("utf-16"))
    assert "illegal memory access" in run(str(file))
    file.write_bytes(b"\xff\xfa " + LOG.encode())
    assert "illegal memory access" in run(str(file))
