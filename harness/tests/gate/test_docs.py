"""docs/ of the gate and its kin: every command parses, and the policy shown is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.cli import load
from harness.gate import policy as policies
from harness.tests.gate.invented import ON_CPU, decided, row

ROOT = Path(__file__).parents[3]
PAGES = ("gate", "bisect", "new", "nightly", "runbook-goldens")


def text(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


def commands() -> list[str]:
    found = [line.strip() for page in PAGES for line in text(page).splitlines()]
    inline = [word for page in PAGES for word in re.findall(r"`(refault [a-z]+ [^`…]*)`", text(page))]
    lines = [line for line in [*found, *inline] if line.startswith("refault ")]
    return sorted({line.partition("  #")[0] for line in lines})


@pytest.mark.parametrize("command", commands())
def test_a_command_parses(command: str) -> None:
    _, name, *words = shlex.split(command)
    load(name).make_context(name, [word.replace("*/", "") for word in words])


def test_there_are_commands() -> None:
    assert {line.split()[1] for line in commands()} >= {"gate", "bisect", "new", "run"}


def test_the_policy_shown_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", text("gate"), re.DOTALL)
    file = tmp_path / "gate.toml"
    file.write_text(shown)
    policy = policies.load(file)
    assert policy.block == policies.Policy(name="", digest="", require=()).block  # it says: the default
    assert policy.require[0].bounds.repeats == 5 and policy.quarantine[0].owner == "ann"


def test_the_json_is_as_shown(tmp_path: Path) -> None:
    told = decided(tmp_path, ON_CPU, row()).to_json()
    shown = text("gate").partition("## decision.json")[2].partition("##")[0]
    assert set(re.findall(r'"(\w+)"', shown)) >= set(told)


def test_the_default_labels_are_those_of_the_workflow() -> None:
    workflow = (ROOT / ".github/workflows/nightly.yml").read_text()
    for label in re.findall(r'\["([\w-]+)"\]', text("nightly")):
        assert f'["{label}"]' in workflow
