"""The command that makes a model by hand prints a folder that upstream can load."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.models.__main__ import main


def test_it_makes_the_model_in_the_cache_and_prints_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path))
    done = CliRunner().invoke(main, ["tiny-llama", "--dtype", "float16"])
    assert done.exit_code == 0 and (Path(done.output.strip()) / "config.json").is_file()
    assert Path(done.output.strip()).parent == tmp_path / "models"


def test_what_cannot_be_written_or_is_not_known_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "file"))
    done = CliRunner().invoke(main, ["tiny-llama"])
    assert done.exit_code == 2 and "the model tiny-llama cannot be written to" in done.output
    assert CliRunner().invoke(main, ["tiny-whale"]).exit_code == 2
