"""The revert of a draft: applied to the tree, it gives what the patch found."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.draft import patch, render
from harness.draft.proof import Proven, prove
from harness.errors import BadInput
from harness.facts import Edit, Reproducer, Revert
from harness.source import revert
from harness.source.tree import at
from harness.tests.draft.samples import BEFORE, PATCH, TABLE, write


def proven(folder: Path, text: str = PATCH, **files: str) -> Proven:
    file = folder / "fix.patch"
    file.write_text(text)
    return prove(write(folder / "toy", **files), patch.read(file, "sglang"))


def drafted(folder: Path, text: str) -> Reproducer:
    file = folder / "pr7_draft.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("pr7_draft", file)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["pr7_draft"] = module  # a record reads the text of its module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["pr7_draft"]
    found = module.REPRODUCER
    assert isinstance(found, Reproducer)
    return found


def test_three_hunks_over_two_files_round_trip(tmp_path: Path) -> None:
    found = proven(tmp_path)
    assert found.exact and found.left == () and found.modules == ("sglang.table", "sglang.pages")
    undone = revert.apply(at(tmp_path / "toy"), Revert(*found.edits), tmp_path / "cache").tree
    for name, before in BEFORE.items():
        assert ast.dump(ast.parse(undone.read(name))) == ast.dump(ast.parse(before))
    assert {edit.in_function for edit in found.edits} == {"Table.grow", "Table.shrink", "pages_needed"}


def test_the_draft_is_a_reproducer_with_that_revert(tmp_path: Path) -> None:
    found = proven(tmp_path)
    text = render.render(7, found)
    reproducer = drafted(tmp_path, text)
    assert isinstance(reproducer.revert, Revert)
    plan = revert.plan(found.tree, reproducer.revert)
    assert dict(plan.files) == dict(revert.plan(found.tree, Revert(*found.edits)).files)
    assert reproducer.bug.pr == 7 and reproducer.bug.fixed_in == "9.9.8" and text.count("TODO") >= 8
    with pytest.raises(NotImplementedError, match="TODO"):
        assert reproducer.kernel
        reproducer.kernel.call(None, page_size=1)


_TEXTS = st.sampled_from(["x = 'a'", 'x = "b"', "x = 1", "x = '\\n'", 'x = "it\'s"', "x = '''a\nb'''",
                          'if a:\n    """q"""', "y = x  # é", "x = b'\\x00'"])  # fmt: skip


@given(_TEXTS, st.one_of(st.just(""), _TEXTS))
def test_every_edit_is_written_as_it_is(replace: str, by: str) -> None:
    written = "".join(render._edit(Edit("f", replace, by)))
    call: Any = ast.parse(written.strip().rstrip(",")).body[0]
    found = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.value.keywords}
    assert found["in_function"] == "f"
    assert (found.get("replace") or found["remove"]).strip("\n") == replace
    assert found.get("by", "").strip("\n") == by


def test_what_stays_is_told_in_the_draft(tmp_path: Path) -> None:
    lines = [
        "@@ -1,4 +1,5 @@",
        ' """A table."""',
        " from math import ceil",
        "+from os import path",
        " ",
        " LIMIT = 64",
    ]
    import_hunk = "".join(f"{line}\n" for line in lines)
    text = PATCH.replace("@@ -8,10 +8,11 @@", f"{import_hunk}@@ -8,10 +9,11 @@")
    text = text.replace("@@ -17,6 +18,5 @@", "@@ -17,6 +19,5 @@")
    found = proven(tmp_path, text, table=TABLE.replace("import ceil\n", "import ceil\nfrom os import path\n"))
    left = "table.py: the fix has `from os import path` in the module: it stays"
    assert not found.exact and found.left == (left,)
    assert f"# TODO: {left}." in render.render(7, found)


def test_a_patch_without_code_in_functions_is_refused(tmp_path: Path) -> None:
    text = "--- a/sglang/table.py\n+++ b/sglang/table.py\n@@ -4 +4 @@\n-LIMIT = 32\n+LIMIT = 64\n"
    with pytest.raises(BadInput, match=r"nothing that edits of functions can undo .*LIMIT = 64"):
        proven(tmp_path, text)


def test_a_file_that_the_tree_has_not(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"sglang/leaves\.py is not in this tree"):
        proven(tmp_path, PATCH.replace("pages.py", "leaves.py"))


def test_a_patch_that_left_no_python(tmp_path: Path) -> None:
    text = PATCH.replace("-    return tokens // page_size", "-    return tokens // (page_size")
    with pytest.raises(BadInput, match=r"pages\.py is no Python without the patch"):
        proven(tmp_path, text)
