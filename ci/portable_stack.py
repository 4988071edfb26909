"""Other versions than the pinned ones: an environment that has those, and this one's packages behind them."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from pathlib import Path

from portable_places import Ready
from steps import ROOT

NAMES = ("torch", "numpy", "triton", "sglang")


def ready(file: Path, out: Path) -> Ready:
    """Make the environment anew, and install Refault into it as a user would.

    `file` lists what is to be another version than here. Raises CalledProcessError where pip fails.
    """
    folder = out / f"stack-{file.stem}"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "behind.pth").write_text("\n".join(_behind()) + "\n")
    pip = [
        str(python),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-qq",
        "--no-input",
        "--no-deps",
    ]
    subprocess.run([*pip, "--ignore-installed", "-r", str(file)], check=True)
    subprocess.run([*pip, "--ignore-installed", "--no-build-isolation", str(ROOT)], check=True)
    cache = out / f"cache-{file.stem}"
    return Ready(python=str(python), variables={"REFAULT_CACHE": str(cache)}, folder=folder)


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
