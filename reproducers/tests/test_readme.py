"""What README and docs/reproduce.md tell to type does what they say, on the real thing.

The night runs all of them here, and those of the other pages, too (`ci/documented.py`).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.source.tree import Tree

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "## Reproduce one bug", "docs/reproduce.md": "# Reproducing one bug"}
"""Pages, and the heading above the block in question."""
NETWORK = ("0.5.12.post1",)
"""Words of commands that fetch a release first; the tests of releases and of the matrix have their own."""
BY_DAY = ("refault list", "refault show 24587", "refault repro 24587")
"""README's own. The others run rows of the same bug again and again, or walk through releases."""


def section(page: str, heading: str) -> list[list[str]]:
    """The commands of the first block below a heading."""
    _, found, rest = (ROOT / page).read_text().partition(f"{heading}\n")
    assert found, f"{page} has no section {heading!r}"
    block = re.search(r"```sh\n(.*?)```", rest, re.DOTALL)
    assert block
    return [shlex.split(line, comments=True) for line in block[1].splitlines()]


COMMANDS = [
    pytest.param(list(words), marks=[] if " ".join(words) in BY_DAY else pytest.mark.nightly)
    for words in dict.fromkeys(tuple(words) for page in PAGES.items() for words in section(*page))
    if not any(word in " ".join(words) for word in NETWORK)
]
ENDS = {"page_size=1": (1, "3 TOOTHLESS"), "--json": (0, '"count": 240'), "sweep": (0, "the bug bites at")}
"""What a command's words make of its exit code and of what it prints; the others end 0 and name the bug."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_readme_does_what_is_said_there(words: list[str], upstream: Tree) -> None:
    typed = [str(upstream.root) if word.startswith("../") else word for word in words[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *typed],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    code, told = next((end for word, end in ENDS.items() if word in typed), (0, "pr24587"))
    assert done.returncode == code, done.stderr
    assert told in done.stdout and "Traceback" not in done.stderr
