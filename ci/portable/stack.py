"""Other versions than the pinned ones: an environment that has those, and this one's packages behind them."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from pathlib import Path

from ci.portable.places import Ready
from ci.steps import ROOT

NAMES = ("torch", "numpy", "triton", "sglang")


class NotMade(Exception):
    """An environment that could not be made; says which command failed, and with what."""


def ready(file: Path, out: Path) -> Ready:
    """Make the environment anew, and install Refault into it as a user would.

    `file` lists what is to be another version than here. Raises NotMade.
    """
    folder = out / f"stack-{file.stem}"
    shutil.rmtree(folder, ignore_errors=True)
    _do(sys.executable, "-m", "venv", str(folder))
    python = folder / "bin/python"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "behind.pth").write_text("\n".join(_behind()) + "\n", encoding="utf-8")
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-input")
    _do(*pip, "--no-deps", "--ignore-installed", "-r", str(file))
    _do(*pip, "--no-deps", "--ignore-installed", "--no-build-isolation", str(ROOT))
    cache = out / f"cache-{file.stem}"
    return Ready(python=str(python), variables={"REFAULT_CACHE": str(cache)}, folder=folder)


def _do(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise NotMade(f"`{' '.join(command[1:4])} ... {command[-1]}` ended with {done.returncode}: {said}")


def _behind() -> list[str]:
    """The packages here, without the link to the checkout, which is a `.pth` file and so not read again."""
    return site.getsitepackages()


def versions(place: Ready) -> str:
    """What the environment really has."""
    program = (
        f"import importlib.metadata as m; print(*(f'{{n}} {{m.version(n)}}' for n in {NAMES!r}), sep=', ')"
    )
    command = [place.python, "-P", "-c", program]
    return subprocess.run(
        command, cwd=place.folder, capture_output=True, text=True, check=True
    ).stdout.strip()
