"""One reproducer in words."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import click

from harness.commands import serve
from harness.facts import CpuGraphs, Revert, Subject, edit
from harness.report.describe import describe
from harness.source.tree import at
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug, subject

STORE = bug("pr101_stray_store")


def test_it_tells_the_bug_its_parameters_and_its_expectation() -> None:
    text = describe(STORE, None)
    for told in (
        "#101: the table has one entry per page",
        "PR #101, issue #1001",
        "9.9.0 up to the release before 9.9.8",
        "stray store",
        "kernel (needs torch, triton)",
        "oob-write in table",
        "fixed arm clean; reverted arm: oob-write of table by fill_kernel",
    ):
        assert told in text, told
    (row,) = (line for line in text.splitlines() if line.split()[:1] == ["page_size"])
    assert row.split() == ["page_size", "4;", "grid", "1,", "4"]
    assert "revert in" not in text


def test_choices_and_lists_are_shown_as_they_are_typed() -> None:
    assert "one of raise, misuse" in describe(bug("pr108_troubled_case"), None)
    assert "slots          6,9" in describe(bug("pr102_wrong_slot"), None)


def test_what_is_not_known_is_said() -> None:
    text = describe(replace(STORE, bug=replace(STORE.bug, pr=None, introduced_in=None)), None)
    assert "PR not known, issue #1001" in text and "the oldest releases up to" in text


def test_the_revert_is_shown_in_the_tree(tmp_path: Path) -> None:
    text = describe(STORE, at(upstream.write(tmp_path)))
    assert f"the revert in sglang {upstream.VERSION} (path):" in text
    assert "-    numel = pages * page_size\n+    numel = pages\n" in text


def test_a_stale_revert_is_told_as_such(tmp_path: Path) -> None:
    other = Revert(edit(in_function="build_table", replace="numel = 3", by="numel = 2"))
    text = describe(replace(STORE, revert=other), at(upstream.write(tmp_path)))
    assert "STALE: in sglang 9.9.9: build_table: `numel = 3` found 0 times; nearest: " in text


# --- servers as commands ---------------------------------------------------------------------------


def shown(subject: Subject) -> list[str]:
    """The lines of its server case that are to be typed."""
    return [line.strip() for line in describe(subject, None).splitlines() if line.startswith("    ")]


def test_both_arms_servers_are_commands_that_serve_itself_takes() -> None:
    typed = [line for line in shown(subject("pr201_stray_store")) if line.startswith("refault serve")]
    assert [line.split()[4] for line in typed] == ["fixed", "reverted"]
    for line in typed:
        words = shlex.split(line.partition("|")[0])[2:]
        _, rest, _ = serve.command.make_parser(click.Context(serve.command)).parse_args(words)
        assert rest == []


def test_a_configuration_has_one_arm_to_start() -> None:
    typed = [line for line in shown(subject("config_toy")) if line.startswith(("refault serve", "kill"))]
    assert typed == ["refault serve config_toy --arm fixed | tee fixed.txt &", "kill %1"]


def test_the_request_is_taken_from_what_serve_printed(tmp_path: Path) -> None:
    (typed,) = [line for line in shown(subject("config_toy")) if line.startswith("sh -c")]
    (tmp_path / "fixed.txt").write_text("fixed arm: http://h:1\n  ask it   echo 'a b' c\n")
    done = subprocess.run(typed, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "a b c\n"


def test_upstream_as_installed_gets_the_model_the_flags_and_the_variables() -> None:
    toy = subject("config_toy")
    assert toy.server
    changed = replace(
        toy.server, requires=frozenset({"cuda"}), environment={"ANSWER": "4 2"}, flags={"page-size": "16"}
    )
    typed = shown(replace(toy, server=changed))
    (made,) = [line for line in typed if line.startswith("MODEL=")]
    assert f"harness.models {changed.model} --dtype {changed.dtype}" in made
    (launch,) = [line for line in typed if "launch_server" in line]
    assert launch.startswith("ANSWER='4 2' python3 -m sglang.launch_server --model-path \"$MODEL\" ")
    assert "--page-size 16 --host 127.0.0.1 --port 30000" in launch
    assert "curl -s http://127.0.0.1:30000/generate" in typed[-1]


def test_what_needs_an_accelerator_is_not_told_for_the_cpu() -> None:
    toy = subject("config_toy")
    assert toy.server
    text = describe(replace(toy, server=replace(toy.server, requires=frozenset({"rocm"}))), None)
    assert "by hand on rocm, each arm" in text and "on cpu" not in text and "cuda" not in text


def test_what_a_cpu_records_graphs_for_is_told_for_both() -> None:
    toy = subject("config_toy")
    assert toy.server
    graphs = CpuGraphs(sizes=(2, 6), attention="aiter", traffic=replace(toy.server.traffic, requests=3))
    text = describe(
        replace(toy, server=replace(toy.server, requires=frozenset({"rocm"}), graphs=graphs)), None
    )
    assert "on a cpu:   CUDA graphs for batches of 2 and 6; aiter's attention by references\n" in text
    assert f"\n{' ' * 12}{toy.server.traffic.rounds} times 3 requests, " in text
    assert "by hand on cpu, rocm, each arm" in text and "server on rocm:" in text


def test_what_is_for_machines_without_an_accelerator_is_told_for_the_cpu_alone() -> None:
    toy = subject("config_toy")
    assert toy.server
    text = describe(replace(toy, server=replace(toy.server, requires=frozenset({"cpu-servers"}))), None)
    assert "by hand on cpu, each arm" in text and "launch_server" not in text
