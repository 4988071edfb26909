"""What CI runs: it has a browser, or it fails and says why."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder that is all of the path: it has no browser, a `make` that tells, and a user who is root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "chmod"):
        (folder / name).symlink_to(str(shutil.which(name)))
    stub(folder, "make", 'echo "make $*, browser $REFAULT_BROWSER"')
    stub(folder, "id", "echo 0")
    return folder


def stub(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def ci(tools: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "REFAULT_BROWSER"}
    environment = {**own, **variables, "PATH": str(tools)}
    command = [str(tools / "sh"), str(ROOT / ".ci" / "run")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    return line


def installs(tools: Path, *brings: str) -> None:
    """An `apt-get` that notes its calls, and brings these programs as it installs."""
    made = "; ".join(f"echo >{tools}/{name}; chmod +x {tools}/{name}" for name in brings) or ":"
    stub(tools, "apt-get", f'echo noise; echo "$*" >>{tools}/called; [ "$1" = update ] || {{ {made}; }}')


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_browser_that_is_there_is_taken(name: str, tools: Path) -> None:
    stub(tools, name, "")
    installs(tools)
    done = ci(tools)
    assert (done.returncode, done.stdout) == (0, "make test, browser required\n")
    assert not (tools / "called").exists()


def test_a_browser_is_installed_where_there_is_none(tools: Path) -> None:
    installs(tools, "chromium")
    assert ci(tools).stdout == "make test, browser required\n"
    called = (tools / "called").read_text().splitlines()
    assert called == ["update -qq", "install -y -qq --no-install-recommends chromium"]


def test_without_a_browser_nothing_is_run_and_the_reason_is_told(tools: Path) -> None:
    assert "there is no apt-get" in refused(ci(tools))
    installs(tools)
    assert "brought none" in refused(ci(tools))
    stub(tools, "apt-get", "exit 100")
    assert "could not install it" in refused(ci(tools))
    stub(tools, "id", "echo 1000")
    assert "only root may install it" in refused(ci(tools))


def test_a_browser_may_be_named(tools: Path) -> None:
    assert ci(tools, REFAULT_BROWSER="/own/browser").stdout == "make test, browser /own/browser\n"
