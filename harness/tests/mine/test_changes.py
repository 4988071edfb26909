"""Which functions differ, and what each was."""

from __future__ import annotations

from harness.mine.changes import Versions, changed
from harness.tests.mine.samples import between

LONG = """
def {name}(rows, table, slots):
    total = table.sum(slots)
    for row in range(rows):
        table[row] = slots[row] + total
        total += table.count(row, slots)
    if total > table.limit:
        raise ValueError(total, table.limit)
    return {result}
"""


def test_a_changed_function_is_told_with_its_place() -> None:
    (one,) = between("def f(a):\n    return a\n", "import x\n\n\n@x.jit\ndef f(a):\n    return max(a, 0)\n")
    assert (one.qualname, one.line, one.lines, one.text) == ("f", 5, (4, 6), "def f(a):\n    return a")
    assert not one.moved and not one.origin


def test_layout_is_no_change() -> None:
    assert between("def f(a):\n    return a\n", "def f( a ):\n    # why\n    return (a)\n") == []


def test_a_method_is_told_and_what_is_nested_belongs_to_its_outer_function() -> None:
    before = "class A:\n    def f(self):\n        def g(x):\n            return x\n        return g\n"
    (one,) = between(before, before.replace("return x", "return x + 1"))
    assert one.qualname == "A.f"


def test_a_function_that_was_moved_is_held_against_what_it_was() -> None:
    body, fixed = b"def f(a):\n    return a\n", b"def f(a):\n    return max(a, 0)\n"
    files = [Versions("srt/old.py", body, None), Versions("srt/new.py", None, fixed)]
    (one,) = changed(files)
    assert (one.path, one.old_path, one.moved) == ("srt/new.py", "srt/old.py", True)


def test_a_function_that_was_moved_twice_is_not_guessed() -> None:
    body, fixed = b"def f(a):\n    return a\n", b"def f(a):\n    return max(a, 0)\n"
    files = [
        Versions("srt/old.py", body, None),
        Versions("srt/new.py", None, fixed),
        Versions("srt/more.py", None, fixed),
    ]
    assert list(changed(files)) == []


def test_a_function_with_another_name_is_held_against_the_one_it_was() -> None:
    before = LONG.format(name="replay", result="total")
    (one,) = between(before, LONG.format(name="apply", result="total + rows"))
    assert (one.qualname, one.origin, one.part) == ("apply", "replay", False)


def test_a_function_that_was_taken_out_of_another_is_a_part_of_it() -> None:
    inner = LONG.format(name="apply", result="total")
    more = "\n".join(f"    step{at} = self.other{at}(rows, {at})" for at in range(40))
    before = LONG.format(name="whole", result="total").rstrip() + f"\n{more}\n"
    found = between(before, f"def whole(rows):\n    return 1\n{inner}".replace("+ total", "- total"))
    assert [(one.qualname, one.origin, one.part) for one in found][-1] == ("apply", "whole", True)


def test_a_new_function_has_no_origin() -> None:
    assert between("def f(a):\n    return a\n", "def f(a):\n    return a\ndef g(b):\n    return b[1]\n") == []


def test_what_is_no_python_has_no_functions() -> None:
    assert list(changed([Versions("a.py", b"def f(:\n", b"def f(a):\n    return 1\n")])) == []
