"""Each kind of change that fixes make, and each form of a patch: the revert brings back the syntax."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ci.drafts import shapes
from ci.drafts.cut import Case, File
from ci.drafts.shapes import Shape
from harness.draft.patch import parse
from harness.draft.proof import prove
from harness.draft.searched import Searched
from harness.tests.draft.samples import patch_of, proven, tree_of, undone

FIXED = '''\
"""Pages."""
import enum
from dataclasses import dataclass
from functools import cache, wraps

LIMIT = 64


class Mode(enum.Enum):
    PLAIN = 1
    PAGED = 2


@dataclass
class Options:
    page_size: int = 16


class Base:
    def size(self):
        return 1


class Pool(Base):
    room = 4

    def grow(self, rows):
        return rows + self.room

    @cache
    def size(self):
        return self.grow(2)


def pages(tokens, size):
    return -(-tokens // size)


def slots(found, size):
    return [page * size for page in found]
'''
OVERRIDE = "    @cache\n    def size(self):\n        return self.grow(2)\n"
GONE = "def gone():\n    return 0\n\n\n"


@pytest.mark.parametrize(
    ("kind", "fixed", "before", "scope"),
    [
        ("statement", "return rows + self.room", "return rows", "Pool.grow"),
        ("class attribute", "    room = 4\n", "    room = 2\n", "class Pool"),
        ("class attribute that came", "    room = 4\n\n", "", "class Pool"),
        ("dataclass default", "page_size: int = 16", "page_size: int = 1", "class Options"),
        ("enum member", "    PAGED = 2\n", "", "class Mode"),
        ("module constant", "LIMIT = 64", "LIMIT = 32", "sglang.pages:<module>"),
        ("import", "cache, wraps", "cache", "sglang.pages:<module>"),
        ("decorator", "    @cache\n", "", "Pool.size"),
        ("base class", "class Pool(Base)", "class Pool", "class Pool"),
        ("added override", OVERRIDE, "", "class Pool"),
        ("added function", FIXED[FIXED.index("def slots") :], "", "sglang.pages:<module>"),
        ("default", "def slots(found, size)", "def slots(found, size=1)", "slots"),
        ("signature", "def slots(found, size)", "def slots(found, size, start=0)", "slots"),
        ("removed parameter", "def slots(found, size)", "def slots(found, start, size)", "slots"),
        ("deleted function", "def pages(", f"{GONE}def pages(", "sglang.pages:<module>"),
        ("deleted method", OVERRIDE, f"    def gone(self):\n        pass\n\n{OVERRIDE}", "class Pool"),
    ],
)  # fmt: skip
def test_every_kind_of_change_comes_back(
    tmp_path: Path, kind: str, fixed: str, before: str, scope: str
) -> None:
    assert fixed in FIXED, kind
    was = FIXED.replace(fixed, before)
    found = proven(tmp_path, {"pages.py": was}, {"pages.py": FIXED})
    assert found.exact and found.broken == () and found.left == ()
    assert ast.dump(ast.parse(undone(found)["pages.py"])) == ast.dump(ast.parse(was))
    assert not scope or scope in {edit.scope for edit in found.edits}


def test_a_function_that_moved_between_modules_comes_back(tmp_path: Path) -> None:
    function = FIXED[FIXED.index("def slots") :]
    rest = FIXED.replace(function, "")
    before = {"pages.py": FIXED, "more.py": "import os\n"}
    after = {"pages.py": rest, "more.py": f"import os\n\n\n{function.replace('* size', '* size + 1')}"}
    found = proven(tmp_path, before, after)
    assert found.exact
    for name, text in before.items():
        assert ast.dump(ast.parse(undone(found)[name])) == ast.dump(ast.parse(text))


def test_of_functions_that_share_a_name_the_one_in_the_patch_is_edited(tmp_path: Path) -> None:
    was = FIXED.replace("-(-tokens // size)", "tokens // size")
    found = proven(tmp_path, {"pages.py": was}, {"pages.py": FIXED}, other=FIXED)
    (edit,) = found.edits
    assert (edit.in_function, edit.in_module, found.exact) == ("pages", "sglang.pages", True)


@pytest.mark.parametrize("shape", Shape)
def test_every_form_of_a_patch_gives_the_same_revert(tmp_path: Path, shape: Shape) -> None:
    was = FIXED.replace("-(-tokens // size)", "tokens // size").replace("LIMIT = 64", "LIMIT = 32")
    text = patch_of({"srt/pages.py": was}, {"srt/pages.py": FIXED})
    case = Case("toy", "9.9.8", (File("srt/pages.py", text[text.index("@@ ") :]),))
    written = shapes.written(case, shape, {"srt/pages.py": was}, {"srt/pages.py": FIXED})
    found = prove(Searched(tree_of(tmp_path, {"srt/pages.py": FIXED})), parse(written, "toy"))
    assert found.exact and {edit.scope for edit in found.edits} == {"pages", "sglang.srt.pages:<module>"}
    told = " ".join(left.text for left in found.left)
    assert ("its mode was changed" in told) == (shape is Shape.MODE)
    assert ("it stays there" in told) == (shape is Shape.MOVED)
    assert (told.count("left out") == 5) == (shape is Shape.BESIDE)
