"""Every command of the docs is one that the night runs, or is left out for a reason that holds."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.cli import load

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "ci/documented.py"


def _module() -> Any:
    spec = spec_from_file_location("documented", SCRIPT)
    assert spec is not None and spec.loader is not None
    module: ModuleType = module_from_spec(spec)
    sys.modules["documented"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


documented = _module()
COMMANDS: list[str] = documented.commands()
TABLE = documented.expectations()


def test_there_are_commands_of_every_kind() -> None:
    assert {shlex.split(command)[0] for command in COMMANDS} >= {"refault", "make", "python"}
    assert {command.split()[1] for command in COMMANDS} >= {
        "repro",
        "run",
        "gate",
        "bisect",
        "matrix",
        "report",
    }


@pytest.mark.parametrize("part", ["ends", "left_out"])
def test_the_table_names_commands_that_are_documented(part: str) -> None:
    assert set(TABLE[part]) - set(COMMANDS) == set()


def test_what_is_left_out_has_a_reason_and_no_exit_code() -> None:
    assert all(reason.strip() for reason in TABLE["left_out"].values())
    assert set(TABLE["left_out"]) & set(TABLE["ends"]) == set()
    named = [word.strip(":,;") for why in TABLE["left_out"].values() for word in why.split() if "/" in word]
    assert named and [word for word in named if not (ROOT / word).exists()] == []


def test_what_never_ends_or_writes_goldens_is_left_out() -> None:
    runs = [shlex.split(command) for command in COMMANDS if command not in TABLE["left_out"]]
    assert [words for words in runs if {"serve", "record", "--keep"} & set(words)] == []


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("refault ")])
def test_a_command_parses(command: str) -> None:
    name, *words = shlex.split(command)[1:]
    load(name).make_context(name, [word.replace("*/", "") for word in words])


@pytest.mark.parametrize("command", [one for one in COMMANDS if "python" in one.split()[0]])
def test_a_script_is_there(command: str) -> None:
    _, word, *rest = shlex.split(command)
    if word == "-m":
        module = ROOT / rest[0].replace(".", "/")
        word = str(next(one for one in (module / "__main__.py", module.with_suffix(".py")) if one.is_file()))
    assert word == "-c" or (ROOT / word).is_file()


def test_what_is_a_command_on_a_page() -> None:
    page = """Say `refault doctor`, or `refault repro 1
    --tier kernel`, but not `refault sweep BUG [--seed N]`; `python ci/x.py` does.
    ```
    refault list   # and why
    refault -- chart
    ls
    ```
    ```toml
    refault show 2
    ```
    """
    found = ["refault list", "refault -- chart", "refault repro 1 --tier kernel", "python ci/x.py"]
    assert list(documented.of_page(page)) == found


def _run(tmp_path: Path, only: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path), "--only", only]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done, json.loads((tmp_path / "documented.json").read_text())


def test_a_command_is_run_as_it_is_written(tmp_path: Path) -> None:
    done, told = _run(tmp_path, "^refault list$")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("1 of 1 ended as they should\n")
    assert told[0]["command"] == "refault list" and told[0]["code"] == told[0]["wanted"] == 0
    assert "pr24587" in (tmp_path / "00.log").read_text()
    assert {one["command"] for one in told[1:]} == set(TABLE["left_out"])


def test_one_that_ends_otherwise_fails(tmp_path: Path) -> None:
    done, told = _run(tmp_path, r"^refault report results\.json$")  # before there are any
    assert done.returncode == 1 and "FAILED" in done.stdout and "ended with 2" in done.stdout
    assert told[0]["code"] == 2
