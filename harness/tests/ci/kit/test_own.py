"""A kit carries Refault: on the other side its command runs from the site, and so do the GPU's scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci.kit import own, parts
from harness import __version__
from harness.errors import BadInput
from harness.tests.ci.kit.test_parts import ABOUT

ROOT = Path(__file__).parents[4]


def _shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": "", **variables}
    words = ["sh", "-c", command]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.nightly
def test_the_command_runs_from_where_the_kit_was_put(tmp_path: Path) -> None:
    wheel = own.wheel(ROOT, __version__, tmp_path)
    parts.pack([[wheel]], tmp_path / "kit", 1 << 30, ABOUT)
    installing = f"{sys.executable} -I kit/part-1/install.py site && . site/env.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = _shell(f"{installing} && refault list", tmp_path, REFAULT_KIT_COMPILE="0", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "pr24587" in done.stdout
    site = tmp_path / "site/refault"
    assert os.access(site / "ci/gpu/smoke", os.X_OK) and not (site / ".venv").exists()
    where = _shell(". site/env.sh && python3 -c 'import harness; print(harness.__file__)'", tmp_path)
    assert where.stdout.strip() == str(site / "harness/__init__.py")


def test_without_a_checkout_there_is_nothing_to_carry(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no git checkout"):
        own.wheel(tmp_path, __version__, tmp_path)


@pytest.mark.nightly
def test_setting_up_without_a_registry_names_the_way_out(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("ci/gpu/setup", "ci/requirements/refault.txt", "ci/requirements/dev.txt"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "python3").write_text(f'#!/bin/sh\nexec {Path(sys.base_prefix) / "bin/python3"} "$@"\n')
    (bare / "python3").chmod(0o755)
    path = f"{bare}{os.pathsep}{os.environ['PATH']}"
    done = _shell("ci/gpu/setup", checkout, PATH=path, PIP_NO_INDEX="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("use a kit: docs/gpu.md")
    assert not (checkout / ".venv").exists()
