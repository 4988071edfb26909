"""Who calls an edited function, as far as a draft tells it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from harness.draft import functions
from harness.draft.functions import Edited, edited
from harness.draft.patch import Patch
from harness.draft.render import render
from harness.draft.searched import Searched
from harness.draft.surroundings import around
from harness.tests.draft.samples import proven

FIXED = """\
class Pool:
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return self.rows + 0

    def grow(self, rows):
        return self.rows + rows
"""
CALLER = """\
def outer(pool):
    def inner():
        return pool.grow(1)

    return inner


pool = Pool(2)
"""


def only_edited(tmp_path: Path, fixed: str, before: str, **others: str) -> Edited:
    assert fixed in FIXED
    found = proven(tmp_path, {"pool.py": FIXED.replace(fixed, before)}, {"pool.py": FIXED}, **others)
    (one,) = edited(found)
    return one


def test_a_method_is_called_by_its_name_and_told_with_the_outermost_function(tmp_path: Path) -> None:
    one = only_edited(tmp_path, "self.rows + rows", "rows", user=CALLER)
    assert one.callers == ("sglang.user:outer, line 3",) and not one.more


def test_a_constructor_is_called_by_its_class(tmp_path: Path) -> None:
    one = only_edited(tmp_path, "self.rows = rows", "self.rows = 0", user=f"{CALLER}super().__init__(3)\n")
    assert one.is_constructor and one.callers == ("sglang.user, line 8",)


def test_what_operators_call_has_no_callers(tmp_path: Path) -> None:
    one = only_edited(tmp_path, "self.rows + 0", "self.rows", user="Pool(1).__len__()\n")
    assert one.callers == () and not one.more


def test_four_callers_are_named_and_no_more_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {f"user{number}": "pool.grow(1)\n" for number in range(8)}
    users["mention"] = "grow = 1\n"
    parsed = []

    def counted(searched: Searched, path: str) -> ast.Module:
        parsed.append(path)
        return ast.parse(searched.source(path))

    monkeypatch.setattr(functions, "_parsed", counted)
    one = only_edited(tmp_path, "self.rows + rows", "rows", **users)
    assert one.callers == tuple(f"sglang.user{number}, line 1" for number in range(4)) and one.more
    assert parsed == ["pool.py", *(f"user{number}.py" for number in range(5))]


@pytest.mark.parametrize(
    ("mark", "is_kernel"),
    [("triton.jit", True), ("jit", True), ("triton.jit(do_not_specialize=['n'])", True), ("jitter", False)],
)
def test_a_kernel_is_told_from_what_can_be_called(tmp_path: Path, mark: str, is_kernel: bool) -> None:
    fixed = f"@{mark}\ndef copy(n):\n    return n + 1\n"
    found = proven(tmp_path, {"one.py": fixed.replace("n + 1", "n")}, {"one.py": fixed})
    (one,) = edited(found)
    assert one.is_kernel is is_kernel
    assert ("is a Triton kernel" in render(7, found, around(found, Patch(())))) is is_kernel


def test_parameters_that_could_not_be_read_off_are_called_an_example(tmp_path: Path) -> None:
    one = proven(
        tmp_path, {"one.py": "def f(x):\n    return x\n"}, {"one.py": "def f(x):\n    return x + 1\n"}
    )
    assert "these are read off" not in render(7, one, around(one, Patch(())))
    two = {"one.py": "def f(page_size: int):\n    return page_size\n"}
    found = proven(tmp_path / "two", {"one.py": two["one.py"].replace("return page_size", "return 1")}, two)
    assert "this is an example" not in render(7, found, around(found, Patch(())))
