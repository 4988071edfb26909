"""What ci/gcn_kernels.py calls a disagreement, what ci/gcn_miscompiles.py harms, what the others compare."""

from __future__ import annotations

import random
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from harness import catalogue
from harness.errors import BadInput
from harness.facts import Tier
from harness.gcn import assembly
from harness.observation import Point

CI = Path(__file__).parents[2] / "ci"
BUG = catalogue.load_reproducer("harness.tests.toyland.bugs.pr101_stray_store")


def _module(name: str) -> Any:
    spec = spec_from_file_location(name, CI / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


KERNELS, MISCOMPILES = _module("gcn_kernels"), _module("gcn_miscompiles")
DECODING, TRITONS = _module("gcn_decoding"), _module("gcn_tritons")


def _point(*launches: dict[str, Any]) -> Point:
    events = tuple({"event": "launch", "kernel": "k", "args": {"out": launch}} for launch in launches)
    return Point(params={}, trace=events)


_WROTE = {"written": [0, 3], "wrote": {"values": [1, 2, 3, 4]}}
_FLOATS = {"written": [0, 3], "wrote": {"summary": {"min": 0.0, "max": 1.0}}}


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        (_WROTE, _WROTE, False),
        (_WROTE, {**_WROTE, "wrote": {"values": [1, 2, 3, 5]}}, True),
        (_WROTE, {**_WROTE, "written": [0, 2]}, True),
        (_WROTE, {}, True),
        (_FLOATS, {**_FLOATS, "wrote": {"summary": {"min": 0.01, "max": 1.01}}}, False),
        (_FLOATS, {**_FLOATS, "wrote": {"summary": {"min": 0.0, "max": 1.5}}}, True),
        (_FLOATS, {**_FLOATS, "wrote": {"summary": {"min": 0.0}}}, True),
    ],
)
def test_launch_that_wrote_something_else_is_a_disagreement(
    ours: dict[str, Any], theirs: dict[str, Any], apart: bool
) -> None:
    told = list(KERNELS._apart(_point(ours), _point(theirs)))
    assert [text.startswith("k: out: ") for text in told] == [True] * apart


def test_launch_too_few_is_a_disagreement() -> None:
    assert list(KERNELS._apart(_point(_WROTE), _point(_WROTE, _WROTE))) == [
        "1 launches, 2 in the interpreter"
    ]


def test_point_by_hand() -> None:
    assert KERNELS._points(BUG, ["tokens=9"]) == [{"tokens": 9, "page_size": 4}]
    assert KERNELS._points(BUG, []) == BUG.case(Tier.KERNEL).points()
    with pytest.raises(BadInput, match="nope: pr101 takes tokens, page_size"):
        KERNELS._points(BUG, ["nope=1"])


_TEXT = """\t.type\tk,@function
k:
\ts_waitcnt vmcnt(0)
\tv_add_u32_e32 v0, v1, v2
\ts_nop 1
\ts_waitcnt lgkmcnt(0)
\ts_endpgm
"""


def test_every_wait_is_removed_and_what_does_nothing_is_left_alone() -> None:
    kernel = assembly.read(_TEXT)
    found = list(MISCOMPILES.mutations(kernel, 9, random.Random(0)))
    assert [(how, place) for how, place, _ in found] == [
        ("wait removed", 0), ("wait removed", 3), ("removed", 1), ("changed", 1)
    ]  # fmt: skip
    removed = MISCOMPILES.harmed(kernel, 1, None).instructions
    changed = MISCOMPILES.harmed(kernel, 1, found[-1][2]).instructions
    assert (removed[1].opcode, changed[1].opcode) == ("s_nop", "v_sub_u32")
    assert removed[0] is kernel.instructions[0] and len(removed) == len(kernel.instructions)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("global_load_dword v1, v0, s[4:5] offset:16", "global_load_dword v1, v0, s[4:5] offset:0x10", True),
        ("v_add_u32_e32 v0, 16, v2", "v_add_u32_e32 v0, 0x10, v2", True),
        ("v_add_u32_e32 v0, v1, v2", "v_add_u32_e32 v0, v2, v1", False),
        ("v_add_u32_e32 v0, -1, v2", "v_add_u32_e32 v0, 1, v2", False),
        ("global_load_dword v1, v0, s[4:5] offset:16", "global_load_dword v1, v0, s[4:5] offset:8", False),
        ("global_load_dword v1, v0, s[4:5] nt", "global_load_dword v1, v0, s[4:5]", False),
        ("ds_read_b32 v1, v0", "ds_read_b64 v[1:2], v0", False),
    ],
)
def test_two_readings_of_an_instruction(one: str, other: str, same: bool) -> None:
    found = [DECODING.facts(assembly.instruction(text)) for text in (one, other)]
    assert (found[0] == found[1]) is same


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({"failed": "no linker"}, "| 3.4.0 | gfx942 |  |  |  |  | no linker |"),
        ({"triton": "3.6.0", "ran": []}, "| 3.4.0 | gfx942 |  |  |  |  | ran Triton 3.6.0 |"),
    ],
)
def test_a_release_that_did_not_run_is_no_right_slot(found: dict[str, Any], line: str) -> None:
    assert TRITONS.LAST_LOC.line("3.4.0", "rocm-gfx942", found) == line


def test_a_release_tells_what_it_stored_and_touched() -> None:
    ran = [{"instructions": 7, "wrong": 2, "astray": ["oob-read"], "hazards": []}] * 2
    line = TRITONS.LAST_LOC.line("3.4.0", "rocm-gfx942", {"triton": "3.4.0", "ran": ran})
    assert line == "| 3.4.0 | gfx942 | 2 | 14 | 4 | 1 | oob-read |"


_RAN = {"expression": "(a + b)", "instructions": 7, "differing": 0, "astray": [], "hazards": [], "lacks": ""}


@pytest.mark.parametrize(
    ("second", "cells"),
    [
        ({}, "2 | 14 | 0 | 0 | 0 |  |"),
        ({"expression": "(a + at)", "differing": 3}, "2 | 14 | 0 | 1 | 0 | (a + at) |"),
        ({"lacks": "v_new_b32"}, "1 | 7 | 1 | 0 | 0 | v_new_b32 |"),
        ({"hazards": ["v_add_u32"]}, "2 | 14 | 0 | 0 | 1 | v_add_u32 |"),
    ],
)
def test_random_kernels_that_differ_or_did_not_run_are_told(second: dict[str, Any], cells: str) -> None:
    found = {"triton": "3.4.0", "ran": [_RAN, {**_RAN, **second}]}
    line = TRITONS.random_kernels(2).line("3.4.0", "rocm-gfx950", found)
    assert line == f"| 3.4.0 | gfx950 | {cells}"


@pytest.mark.parametrize(("trouble", "code"), [("", 0), ("v_new_b32", 1)])
def test_the_same_random_kernels_run_with_every_release(
    trouble: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def executed(place: Path, *command: str) -> dict[str, Any]:
        asked.append(command)
        return {"triton": place.name, "ran": [{**_RAN, "lacks": trouble}]}

    monkeypatch.setattr(TRITONS, "installed", lambda version, folder: folder / version)
    monkeypatch.setattr(TRITONS, "executed", executed)
    monkeypatch.setattr(sys, "argv", ["gcn_tritons.py", "3.4.0", "3.6.0", "--random", "5"])
    assert TRITONS.main() == code
    chips = [("gcn_random.py", platform, "5") for platform in TRITONS.CHIPS]
    assert asked == chips * 2
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(asked)


def test_a_script_is_run_with_the_release_that_is_asked_for(tmp_path: Path) -> None:
    found = TRITONS.executed(tmp_path, "gcn_random.py", "rocm-gfx942", "1")
    assert [one["differing"] for one in found["ran"]] == [0]
    assert TRITONS.executed(tmp_path, "gcn_random.py", "rocm-gfx000", "1")["failed"]


def test_no_random_kernel_at_all_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gcn_tritons.py", "--random", "0"])
    with pytest.raises(SystemExit):
        TRITONS.main()
    assert "--random 0: takes a number of kernels" in capsys.readouterr().err


def test_the_finding_of_an_exchange_shows_both_forms() -> None:
    told = [line.split(": ", 1) for line in _module("show_finding").atomic_exchange(None)]
    found = {where.split(", ", 1)[1]: what for where, what in told}
    assert [found[f"{chip}, without buffers"] for chip in ("gfx942", "gfx950")] == ["global_atomic_swap"] * 2
    assert all("failed to translate" in found[f"{chip}, with buffers"] for chip in ("gfx942", "gfx950"))
