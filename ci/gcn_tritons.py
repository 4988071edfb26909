"""Executes both kernels of #23596 as compiled by several releases of Triton, on both chips.

Each release lies in a folder of its own, in front of the installed one; nothing that is installed is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
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


def executed(place: Path, platform: str) -> Mapping[str, Any]:
    """What `ci/gcn_last_loc.py` prints with the release in that folder; or `failed`, its last words."""
    with tempfile.TemporaryDirectory() as cache:
        paths = [str(place), str(HERE.parent)]
        own = {"TRITON_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(paths)}
        # 3.4 asks the linker for its version before it compiles; nothing is linked.
        own["TRITON_HIP_LLD_PATH"] = sys.executable
        variables = environment.merged(environment.COMPILED_KERNELS, own)
        ended = subprocess.run(
            [sys.executable, str(HERE / "gcn_last_loc.py"), platform],
            env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ended.returncode:
        return {"failed": (ended.stderr.strip().splitlines() or ["no word"])[-1]}
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def line(version: str, platform: str, found: Mapping[str, Any]) -> str:
    """One line of the table."""
    cells = [version, platform.removeprefix("rocm-")]
    if "failed" in found:
        return f"| {' | '.join((*cells, '', '', '', '', found['failed']))} |"
    if found["triton"] != version:
        return f"| {' | '.join((*cells, '', '', '', '', 'ran Triton ' + found['triton']))} |"
    ran = found["ran"]
    faults = sorted({fault for one in ran for fault in (*one["astray"], *one["hazards"])})
    counts = (len(ran), sum(one["instructions"] for one in ran), sum(one["wrong"] for one in ran))
    return f"| {' | '.join((*cells, *map(str, counts), str(len(faults)), '; '.join(faults)))} |"


def table(versions: Sequence[str], folder: Path) -> bool:
    """Print the table; whether every release ran, stored right slots and touched nothing astray."""
    print("| Triton | chip | kernels and dtypes | instructions | wrong slots | astray or unwaited for | |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lines = []
    for version in versions:
        place = installed(version, folder)
        for platform in CHIPS:
            lines.append(line(version, platform, executed(place, platform)))
            print(lines[-1], flush=True)
    return all(one.endswith("| 0 | 0 |  |") for one in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=list(TRITONS), help=" ".join(TRITONS))
    parser.add_argument("--folder", type=Path, help="where the releases are kept; else they are thrown away")
    options = parser.parse_args()
    if options.folder:
        return int(not table(options.versions, options.folder))
    with tempfile.TemporaryDirectory() as folder:
        return int(not table(options.versions, Path(folder)))


if __name__ == "__main__":
    raise SystemExit(main())
