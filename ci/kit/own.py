"""Refault itself as a wheel of a kit: the checkout as git has it, and the command `refault`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ci.kit import repack
from harness.errors import BadInput

FOLDER = "refault"
"""Where the checkout lies in a site; `install.py` puts it on the search path."""
COMMAND = """#!/usr/bin/env python3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "refault"))
from harness.cli import main

main()
"""


def wheel(checkout: Path, version: str, to: Path) -> Path:
    """Write the wheel into the folder `to`. BadInput where `checkout` is no checkout."""
    target = to / f"refault-{version}-{repack.PURE}.whl"
    with repack.WheelWriter(target) as out, tempfile.TemporaryDirectory(dir=to) as scratch:
        for name, executable in _files(checkout):
            out.add(f"{FOLDER}/{name}", checkout / name, executable=executable)
        command = Path(scratch) / "refault"
        command.write_text(COMMAND, encoding="utf-8")
        out.add(f"refault-{version}.data/scripts/refault", command, executable=True)
        repack.describe(out, Path(scratch), "refault", version, repack.PURE)
    return target


def _files(checkout: Path) -> Iterator[tuple[str, bool]]:
    """What git keeps of the checkout, as it lies there now, and whether it can be run."""
    words = ["git", "-C", str(checkout), "ls-files", "-z", "--stage"]
    done = subprocess.run(words, capture_output=True, check=False)
    entries = [entry.partition("\t") for entry in done.stdout.decode().split("\0") if entry]
    if done.returncode or not entries:
        raise BadInput(f"{checkout} is no git checkout: a kit carries one, so build it in one")
    for about, _, name in sorted(entries, key=lambda entry: entry[2]):
        if (checkout / name).is_file():
            yield name, about.startswith("100755")
