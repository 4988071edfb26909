"""Executes both kernels of #23596, or random ones, as compiled by several releases of Triton, on both chips.

Each release lies in a folder of its own, in front of the installed one; nothing that is installed is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness.host import environment  # noqa: E402

CHIPS = ("rocm-gfx942", "rocm-gfx950")
TRITONS = ("3.4.0", "3.5.1", "3.6.0", "3.7.1", "3.8.0", "3.9.0")


def installed(version: str, folder: Path) -> Path:
    """The folder of that release, got from the package index where it is not there yet."""
    place = folder / version
    if not (place / "triton").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
        subprocess.run([*command, f"triton=={version}"], check=True)
    return place


def executed(place: Path, script: str, *arguments: str) -> Mapping[str, Any]:
    """What a script of ci/ prints with the release in that folder; or `failed`, its last words."""
    with tempfile.TemporaryDirectory() as cache:
        paths = [str(place), str(HERE.parent)]
        own = {"TRITON_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(paths)}
        # 3.4 asks the linker for its version before it compiles; nothing is linked.
        own["TRITON_HIP_LLD_PATH"] = sys.executable
        variables = environment.merged(environment.COMPILED_KERNELS, own)
        ended = subprocess.run(
            [sys.executable, str(HERE / script), *arguments],
            env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ended.returncode:
        return {"failed": (ended.stderr.strip().splitlines() or ["no word"])[-1]}
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class Table:
    """What is run with each release and chip, and how the figures of one run are told, troubles last."""

    script: str
    columns: tuple[str, ...]
    cells: Callable[[Sequence[Mapping[str, Any]]], tuple[str, ...]]
    arguments: tuple[str, ...] = ()

    def line(self, version: str, platform: str, found: Mapping[str, Any]) -> str:
        """One line of the table."""
        if "failed" in found:
            cells = self._empty(found["failed"])
        elif found["triton"] != version:
            cells = self._empty(f"ran Triton {found['triton']}")
        else:
            cells = self.cells(found["ran"])
        return f"| {' | '.join((version, platform.removeprefix('rocm-'), *cells))} |"

    def _empty(self, trouble: str) -> tuple[str, ...]:
        return (*[""] * len(self.columns), trouble)

    def printed(self, versions: Sequence[str], folder: Path) -> bool:
        """Print it; whether every release ran without any trouble."""
        print(f"| Triton | chip | {' | '.join(self.columns)} | |")
        print("| --- " * (len(self.columns) + 3) + "|")
        lines = []
        for version in versions:
            place = installed(version, folder)
            for platform in CHIPS:
                found = executed(place, self.script, platform, *self.arguments)
                lines.append(self.line(version, platform, found))
                print(lines[-1], flush=True)
        return all(one.endswith("| 0 | 0 |  |") for one in lines)


def stored(ran: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The slots that the kernels of #23596 stored."""
    counts = (len(ran), _total(ran, "instructions"), _total(ran, "wrong"))
    return (*map(str, counts), *_faults(ran))


def agreed(ran: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The random kernels that ran, and those that stored something else than the interpreter."""
    whole = [one for one in ran if not one["lacks"]]
    troubles = sorted({one["lacks"] for one in ran} - {""})
    other = [one["expression"] for one in whole if one["differing"]]
    count, faults = _faults(whole)
    counts = (len(whole), _total(whole, "instructions"), len(ran) - len(whole), len(other))
    return (*map(str, counts), count, "; ".join(filter(None, (*troubles, *other, faults))))


def _total(ran: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(one[name] for one in ran)


def _faults(ran: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    faults = sorted({fault for one in ran for fault in (*one["astray"], *one["hazards"])})
    return str(len(faults)), "; ".join(faults)


LAST_LOC = Table(
    "gcn_last_loc.py",
    ("kernels and dtypes", "instructions", "wrong slots", "astray or unwaited for"),
    stored,
)


def random_kernels(kernels: int) -> Table:
    """So many random kernels, the same ones with every release."""
    columns = ("kernels", "instructions", "not run", "disagreements", "astray or unwaited for")
    return Table("gcn_random.py", columns, agreed, (str(kernels),))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=list(TRITONS), help=" ".join(TRITONS))
    parser.add_argument("--folder", type=Path, help="where the releases are kept; else they are thrown away")
    parser.add_argument(
        "--random", type=int, metavar="N", help="so many random kernels instead, against the interpreter"
    )
    options = parser.parse_args()
    if options.random is not None and options.random < 1:
        parser.error(f"--random {options.random}: takes a number of kernels, 1 or more")
    table = random_kernels(options.random) if options.random else LAST_LOC
    if options.folder:
        return int(not table.printed(options.versions, options.folder))
    with tempfile.TemporaryDirectory() as folder:
        return int(not table.printed(options.versions, Path(folder)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary folders go as with Ctrl-C
    raise SystemExit(main())
