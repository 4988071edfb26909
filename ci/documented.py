#!/usr/bin/env python3
"""Runs the commands that README.md and docs/ tell to type, and holds each to how it should end.

ci/documented.toml says which end otherwise than with 0, and which a machine without a GPU cannot or should
not run, and why; harness/tests/ci/test_documented.py holds that list to the docs. OUT gets a folder in which
the commands run, a log for each, and documented.json. Ends with 1 if a command ended otherwise.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RUNS: Mapping[str, Sequence[str]] = {
    "refault": (sys.executable, "-P", "-m", "harness"),
    "make": ("make", "-C", str(ROOT)),
    "python": (sys.executable,),
    ".venv/bin/python": (sys.executable,),
}
"""What is run for the first word of a command. Any other first word is none of ours."""
MINUTES = 20.0
GRACE = 20.0
"""Seconds that a command which is out of time has to end what it started."""
_FENCED = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_SHELL = ("", "sh")
_CODE = re.compile(r"`([^`]+)`")
_SYNOPSIS = re.compile(r"[\[\]<>…|─]|\b[A-Z]{1,6}\b(?!=)")


@dataclass(frozen=True)
class Ended:
    """How a command ended: `code` is None where it ran out of time."""

    command: str
    code: int | None
    wanted: int
    seconds: float

    @property
    def passed(self) -> bool:
        return self.code == self.wanted


def main() -> int:
    asked = _arguments()
    table = expectations()
    chosen = [one for one in commands() if one not in table["left_out"] and re.search(asked.only, one)]
    if asked.list:
        print("\n".join(chosen))
        return 0
    out: Path = asked.out.resolve()
    folder = _folder(out)
    ended = [_run(one, table["ends"].get(one, 0), index, folder, out) for index, one in enumerate(chosen)]
    told = [asdict(one) for one in ended] + [
        {"command": name, "left_out": why} for name, why in table["left_out"].items()
    ]
    (out / "documented.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    failed = [one for one in ended if not one.passed]
    print(f"{len(ended) - len(failed)} of {len(ended)} ended as they should")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, default=Path("build/documented"), help="the folder that takes everything")
    add("--only", default="", metavar="REGEX", help="only commands that it is found in")
    add("--list", action="store_true", help="run nothing")
    return parser.parse_args()


# --- what there is to run ----------------------------------------------------------------------


def commands() -> list[str]:
    """Every command of the pages, once, in the order in which a reader meets them."""
    found = [command for page in PAGES for command in of_page(page.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(found))


def of_page(text: str) -> Iterator[str]:
    """The commands of one page: lines of its blocks, and code in its prose that has arguments.

    A synopsis, with names in capitals or in brackets, is none.
    """
    for language, block in _FENCED.findall(text):
        if language in _SHELL:
            yield from (line for line in map(_stripped, block.splitlines()) if _is_command(line))
    prose = _FENCED.sub("", text)
    for code in (" ".join(code.split()) for code in _CODE.findall(prose)):
        if _is_command(code) and (len(code.split()) > 2 or code.startswith("python ")):
            yield code


def _stripped(line: str) -> str:
    return re.sub(r"\s+#.*", "", line).strip()


def _is_command(line: str) -> bool:
    first, _, rest = line.partition(" ")
    return first in RUNS and bool(rest) and not _SYNOPSIS.search(_unquoted(line))


def _unquoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def expectations() -> dict[str, dict[str, Any]]:
    """`ends`: command to exit code, and `left_out`: command to the reason."""
    return tomllib.loads((ROOT / "ci/documented.toml").read_text(encoding="utf-8"))


# --- how a command is run ----------------------------------------------------------------------


def _folder(out: Path) -> Path:
    """Where commands run: files they name without a path are made there, and ci/ is the checkout's."""
    folder = out / "files"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ci").exists():
        (folder / "ci").symlink_to(ROOT / "ci")
    return folder


def _run(command: str, wanted: int, index: int, folder: Path, out: Path) -> Ended:
    first, *rest = shlex.split(command)
    since = time.monotonic()
    with (out / f"{index:02}.log").open("w", encoding="utf-8") as log:
        print(command, file=log, flush=True)
        process = subprocess.Popen(
            [*RUNS[first], *rest], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        code = _code(process)
    ended = Ended(command, code, wanted, time.monotonic() - since)
    word = "ok" if ended.passed else "FAILED"
    how = "out of time" if code is None else f"ended with {code}"
    print(f"{word:<7}{index:02} {ended.seconds:6.1f} s  {command}  {'' if ended.passed else how}", flush=True)
    return ended


def _code(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=MINUTES * 60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


if __name__ == "__main__":
    sys.exit(main())
