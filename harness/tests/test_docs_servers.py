"""What docs/servers.md tells to type exists, and its table of faults is the harness's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from harness import catalogue
from harness.cli import load
from harness.facts import FaultKind, Tier
from harness.suite import selection

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "servers.md").read_text()
COMMANDS = [
    words
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if (words := shlex.split(line, comments=True))
]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "refault"], ids=" ".join)
def test_a_command_parses_and_names_what_has_a_server(words: list[str]) -> None:
    command = load(words[1])
    parsed, rest, _ = command.make_parser(click.Context(command)).parse_args(words[2:])
    assert rest == []
    if bug := parsed.get("bug"):
        subject = catalogue.find(bug, catalogue.subjects())
        (request,) = selection.one(subject, (Tier.SERVER,), (), None)
        assert request.tier == "server"


def test_every_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for words in COMMANDS if words[0] == "make"} | set(
        re.findall(r"`make ([a-z-]+)`", PAGE)
    )
    assert {"reproduce-servers", "soak"} <= named <= targets


def test_the_table_names_kinds_of_fault_that_there_are() -> None:
    rows = re.findall(r"^\| .* \| (`.*) \|$", PAGE, re.MULTILINE)
    kinds = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
    assert len(rows) == 8 and kinds <= set(FaultKind)
