"""The command that builds a kit: mistakes are one line, and nothing is fetched for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


def kit(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ci.kit", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--part-size", "60X"), "--part-size 60X: write a number of bytes"),
        (("--sglang", "main"), "--sglang main: write a release number"),
        (("--arch", "sm70"), "--arch sm70: "),
        (("--fa3", "some"), "--fa3 some: write a head size"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    installed = tmp_path / "installed.txt"
    installed.write_text("torch==2.11.0\n")
    done = kit("--installed", str(installed), *words, str(tmp_path / "kit"))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and line.startswith("ci.kit: ") and told in line
    assert not (tmp_path / "kit").exists()


def test_the_installed_command_has_no_kit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "kit"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "No such command" in done.stderr
