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
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.facts import Edit, Reproducer, Revert
from harness.source import revert
from harness.source.tree import at
from harness.tests.draft.samples import BEFORE, PAGES, PATCH, TABLE, write


def proven(folder: Path, text: str = PATCH, **files: str) -> Proven:
    file = folder / "fix.patch"
    file.write_text(text)
    return prove(Searched(write(folder / "toy", **files)), patch.read(file))


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
    assert found.exact and found.left == ()
    assert Edit(replace="from os import path", in_module="sglang.table") in found.edits


def test_edits_of_a_module_alone_are_enough(tmp_path: Path) -> None:
    text = "--- a/sglang/table.py\n+++ b/sglang/table.py\n@@ -4 +4 @@\n-LIMIT = 32\n+LIMIT = 64\n"
    found = proven(tmp_path, text)
    assert found.exact and found.edits == (Edit("", "LIMIT = 64", "LIMIT = 32", in_module="sglang.table"),)
    reproducer = drafted(tmp_path, render.render(7, found))
    assert reproducer.revert.scopes == ("sglang.table:<module>",)


SECOND = """\
--- a/sglang/pages.py
+++ b/sglang/pages.py
@@ -1,2 +1,2 @@
 def pages_needed(tokens, page_size):
-    return 0
+    return tokens // page_size
"""


def test_two_commits_of_one_file_are_both_undone(tmp_path: Path) -> None:
    found = proven(tmp_path, SECOND + PATCH)
    assert found.exact
    (edit,) = [edit for edit in found.edits if edit.in_function == "pages_needed"]
    assert edit.by == "return 0"


OUTSIDE = """\
diff --git a/test/test_pages.py b/test/test_pages.py
--- a/test/test_pages.py
+++ b/test/test_pages.py
@@ -1 +1 @@
-a
+b
diff --git a/docs/old.md b/docs/new.md
similarity index 100%
rename from docs/old.md
rename to docs/new.md
"""


def test_what_lies_outside_the_package_is_left_out_and_listed(tmp_path: Path) -> None:
    found = proven(tmp_path, OUTSIDE + PATCH)
    told = [left.text for left in found.left]
    assert found.exact and told == [
        "test/test_pages.py is no code of the package: left out",
        "docs/new.md is no code of the package: left out",
    ]


def test_what_cannot_be_derived_is_a_draft_with_the_revert_to_do(tmp_path: Path) -> None:
    pages = f"x = 1\nx = 1\n{PAGES}"
    text = "--- a/sglang/pages.py\n+++ b/sglang/pages.py\n@@ -1,2 +1,2 @@\n-x = 2\n+x = 1\n x = 1\n"
    found = proven(tmp_path, text, pages=pages)
    assert not found.exact and found.edits == () and len(found.left) == 2
    assert "`x = 2` in the module does not come back" in found.left[0].text
    written = render.render(7, found)
    drafted(tmp_path, written)
    assert "proven" not in written and 'replace="TODO"' in written


def test_a_parameter_that_a_caller_outside_the_patch_passes_is_kept(tmp_path: Path) -> None:
    (tmp_path / "toy" / "sglang").mkdir(parents=True)
    user = "from sglang.pages import slots\n\n\ndef use():\n    return slots([1], page_size=2, shift=3)\n"
    (tmp_path / "toy" / "sglang" / "user.py").write_text(user)
    pages = PAGES.replace("slots(pages, page_size):", "slots(pages, page_size, shift=0):").replace(
        "page * page_size", "page * page_size + shift"
    )
    text = """\
--- a/sglang/pages.py
+++ b/sglang/pages.py
@@ -5,3 +5,3 @@
-def slots(pages, page_size):
+def slots(pages, page_size, shift=0):
     try:
-        found = [page * page_size for page in pages]
+        found = [page * page_size + shift for page in pages]
"""
    found = proven(tmp_path, text, pages=pages)
    assert found.broken == () and not found.exact
    assert [edit.by for edit in found.edits] == ["found = [page * page_size for page in pages]"]
    (left,) = found.left
    assert "the parameters or the decorators of slots are not what they were" in left.text


def test_an_import_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    text = PATCH.replace(
        "-        width = rows\n", "-        from sglang.gone import wide\n-        width = wide(rows)\n"
    )
    found = proven(tmp_path, text.replace("@@ -8,10 +8,11 @@", "@@ -8,11 +8,11 @@"))
    assert any("the tree has no sglang.gone" in why for why in found.broken)
    assert "will not run, because" in render.render(7, found)


def test_a_file_that_the_tree_has_not(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"sglang/leaves\.py is not in this tree"):
        proven(tmp_path, PATCH.replace("pages.py", "leaves.py"))


def test_a_patch_that_left_no_python(tmp_path: Path) -> None:
    text = PATCH.replace("-    return tokens // page_size", "-    return tokens // (page_size")
    with pytest.raises(BadInput, match=r"pages\.py is no Python without the patch"):
        proven(tmp_path, text)


@pytest.mark.parametrize("name", ["../../etc/passwd", "\x1b[2J/../x.py", "sglang/../../table.py", "table.py"])
def test_a_path_that_leaves_the_package_is_of_no_module(tmp_path: Path, name: str) -> None:
    text = f"--- a/{name}\n+++ b/{name}\n@@ -4 +4 @@\n-LIMIT = 32\n+LIMIT = 64\n"
    with pytest.raises(BadInput) as caught:
        proven(tmp_path, text)
    assert str(caught.value).isprintable() and "sglang" in str(caught.value)
