"""A draft tells what is known of the code around its revert, and is formatted as `make lint` wants it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from harness.draft import guessed, patch, rigs, upstream_tests
from harness.draft.functions import Edited, edited
from harness.draft.proof import prove
from harness.draft.render import render
from harness.draft.searched import Searched
from harness.draft.surroundings import around
from harness.source.tree import at

ROOT = Path(__file__).parents[3]
KERNEL = '''\
def expand(values_ptr, seq_lens: torch.Tensor, page_size: int, padded: bool = False, *, topk: int = 1):
    """Expand."""
    rows = self.max_bs
    start = {start}
    return start


class Runner:
    def replay(self, seq_lens):
        expand(1, seq_lens, 16)
        return expand(2, seq_lens, page_size=16)
'''
CALLER = "from sglang.srt.one import expand\n\n\ndef call():\n    return expand(0, 0, 1)\n"
TEST = """\
import torch

def test_expand():
    lens = torch.tensor([3, 4], dtype=torch.int32).cuda()
    table = torch.zeros((2, 8), dtype=torch.int64)
    expand(table, lens, 16, padded=True, topk=-1, name=other())
"""
MESSAGE = """\
From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
Subject: [PATCH] [Fix] Rows are clamped (#7)

Garbage output and an illegal memory access on MI300X with --page-size 16.
---
"""


def fixed(
    tmp_path: Path, before: str = "seq_lens", after: str = "max(seq_lens, 0)"
) -> tuple[Path, patch.Patch]:
    folder = tmp_path / "toy/sglang/srt"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.write_text("")
    (folder.parent / "version.py").write_text('__version__ = "9.9.8"\n')
    (folder / "one.py").write_text(KERNEL.format(start=after))
    (folder / "two.py").write_text(CALLER)
    diff = (
        "--- a/python/sglang/srt/one.py\n+++ b/python/sglang/srt/one.py\n@@ -4,1 +4,1 @@\n"
        f"-    start = {before}\n+    start = {after}\n"
        f"--- /dev/null\n+++ b/test/srt/test_one.py\n@@ -0,0 +1,{TEST.count(chr(10))} @@\n"
        + "".join(f"+{line}\n" for line in TEST.splitlines())
    )
    return tmp_path / "toy", patch.parse((MESSAGE + diff).encode(), "fix")


def drafted(tmp_path: Path, **texts: str) -> str:
    root, fix = fixed(tmp_path, **texts)
    searched = Searched(at(root))
    proven = prove(searched, fix)
    folder = tmp_path / "reproducers/rigs"
    folder.mkdir(parents=True)
    (folder / "ones.py").write_text('MODULE = "sglang.srt.one"\n')
    (folder / "others.py").write_text('MODULE = "sglang.srt.one.deeper"\n')
    return render(7, proven, around(proven, fix, folder))


def test_a_draft_tells_signature_tensors_callers_rigs_and_tests(tmp_path: Path) -> None:
    text = " ".join(line.strip().removeprefix("#").strip() for line in drafted(tmp_path).splitlines())
    assert 'lab.upstream("expand") is expand(values_ptr, seq_lens: torch.Tensor, page_size: int' in text
    assert "Its tensors: values_ptr, seq_lens (int32)." in text
    wanted = (
        "sglang.srt.one:Runner.replay, line 10; sglang.srt.one:Runner.replay, line 11; "
        "sglang.srt.two:call, line 5."
    )
    assert f"Something of this name is called in {wanted}" in text
    assert "A rig that names this code: reproducers.rigs.ones." in text
    call = "expand(<tensor int64 2 x 8>, <tensor int32 2>, 16, padded=True, topk=-1, name=…)"
    assert f"The patch's own test calls {call}." in text


def test_parameters_are_read_off_the_edited_functions(tmp_path: Path) -> None:
    text = drafted(tmp_path)
    assert "seq_lens: tuple[int, ...], page_size: int, padded: bool, topk: int, max_bs: int" in text
    assert '            "padded": Boolean(False),\n' in text
    assert "page_size=[1, 16]" in text and "padded=[False, True]" in text


def test_symptoms_are_told_in_words_of_ours(tmp_path: Path) -> None:
    text = drafted(tmp_path)
    assert "(the message speaks of: illegal memory access, wrong output)" in text
    assert "These platforms" not in text and "Garbage" not in text


def test_a_fix_that_changes_values_gets_a_reference(tmp_path: Path) -> None:
    text = drafted(tmp_path)
    assert 'watch=watch("wrong-value")' in text and "reference=expected" in text and "def expected(" in text


def test_a_fix_of_memory_gets_none(tmp_path: Path) -> None:
    text = drafted(tmp_path, before="seq_lens[:rows]", after="seq_lens")
    assert 'watch=watch("oob-write", "oob-read")' in text and "def expected(" not in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seq_lens", "max(seq_lens, 0)"),
        ("seq_lens[:rows]", "seq_lens"),
        ("seq_lens", f"min(seq_lens, {' + '.join(f'some_long_name_{at}' for at in range(9))})"),
    ],
)
def test_a_draft_is_formatted_and_typed_as_lint_wants_it(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "pr7_expand.py"
    file.write_text(drafted(tmp_path, before=before, after=after), encoding="utf-8")
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    for words in (("format", "--check", "--diff"), ("check",)):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, *config, str(file)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_draft_is_typed_as_lint_wants_it(tmp_path: Path) -> None:
    file = tmp_path / "pr7_expand.py"
    file.write_text(drafted(tmp_path), encoding="utf-8")
    words = ["-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "mypy")]
    done = subprocess.run([sys.executable, *words, str(file)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_functions_without_names_that_are_known_get_one_parameter() -> None:
    assert [one.name for one in guessed.guesses(())] == ["page_size"]


def test_a_kernel_s_sizes_are_parameters_and_its_blocks_and_strides_are_not() -> None:
    sizes = "top_k: tl.constexpr, row_stride: tl.constexpr, BLOCK: tl.constexpr, page_size: tl.constexpr"
    node = ast.parse(f"def kernel(values_ptr, {sizes}): pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    one = Edited("sglang.srt.one", "kernel", node, ())
    assert [guess.name for guess in guessed.guesses([one])] == ["top_k", "page_size"]


def test_a_rig_of_the_class_fits(tmp_path: Path) -> None:
    (tmp_path / "pools.py").write_text("class Stand: '''For Runner of anything.'''\n")
    node = ast.parse("def replay(): pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    one = Edited("sglang.srt.one", "Runner.replay", node, ())
    assert [name.rpartition(".")[2] for name in rigs.fitting(tmp_path, [one])] == ["pools"]


def test_calls_of_other_functions_are_no_form_of_the_case(tmp_path: Path) -> None:
    root, fix = fixed(tmp_path)
    searched = Searched(at(root))
    functions = edited(prove(searched, fix))
    assert upstream_tests.calls(fix, functions) and upstream_tests.calls(fix, ()) == ()
