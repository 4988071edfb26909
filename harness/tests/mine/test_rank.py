"""What comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.mine.changes import Versions, changed
from harness.mine.rank import LEAST, Candidate, Ranked, ranked
from harness.mine.reasons import Reason
from harness.mine.versions import FOLDERS, of_trees
from harness.tests.mine.samples import between, tree


def of(tmp_path: Path) -> Ranked:
    before, after = (tree(tmp_path / name, fixed=name == "fixed") for name in ("buggy", "fixed"))
    return ranked(changed(of_trees(before, after, FOLDERS)))


def one(before: str, after: str, path: str = "srt/mem_cache/one.py") -> Candidate:
    old, new = (f"def f(a, b, n):\n    {text}\n".encode() for text in (before, after))
    (found,) = ranked(changed([Versions(path, old, new)])).candidates
    return found


def test_fixes_come_before_a_rename_that_is_everywhere(tmp_path: Path) -> None:
    found = of(tmp_path)
    assert [(each.changed.qualname, each.reasons[0]) for each in found.candidates[:2]] == [
        ("gather_kernel", Reason.INT64),
        ("Pool.pages", Reason.PAGE),
    ]
    assert found.changed == 5
    assert all(each.score >= LEAST for each in found.candidates)


def test_tests_are_not_looked_at(tmp_path: Path) -> None:
    assert all(not each.changed.path.startswith("test/") for each in of(tmp_path).candidates)


def test_what_wraps_the_old_code_comes_before_what_is_new() -> None:
    assert one("g(a)", "g(max(a, 0))").score > one("g(a)", "g(a)\n    h(max(b, 0))").score


def test_a_small_change_comes_before_a_rewrite() -> None:
    rewrite = "\n    ".join(f"g{at}(max(a, {at}))" for at in range(20))
    assert one("g(a)", "g(max(a, 0))").score > 1.5 * one("g(a)", rewrite).score


def test_a_change_of_a_pool_comes_before_one_of_an_entrypoint() -> None:
    texts = ("g(a)", "g(max(a, 0))")
    assert one(*texts).score > 2 * one(*texts, path="srt/entrypoints/one.py").score


def test_a_name_that_is_exchanged_throughout_a_function_counts_little() -> None:
    texts = [f"g({name} // page_size); h({name}[n]); k({name} - 1)" for name in ("a", "b")]
    once = [text.partition(";")[0] for text in texts]
    renamed = ranked(between(*(f"def f(a, b, n):\n    {text}\n" for text in texts))).candidates
    assert one(*once).score > 0.2 and not renamed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return a[: self.ps.size]", "return a[: parallel.size]"),
        ("return range(n)", "return builtins.range(n)"),
        ("return a[b.rows(n)]", "return a[rows(n)]"),
    ],
)
def test_the_same_name_by_another_way_counts_little(before: str, after: str) -> None:
    changed_too = after.replace("size", "width").replace("(n)", "(n + 1)")
    assert score(before, after) < score(before, changed_too) / 2


def test_what_is_computed_on_the_way_to_the_same_name_is_no_other_way() -> None:
    assert score("return a.log(min(n)).neg()", "return a.log(min(n, 1)).neg()") > 0.5
    assert score("return a.log(min(n)).size", "return a.log(max(n)).size") > 0.5


def test_an_assignment_that_stands_elsewhere_counts_less_than_a_call_that_does() -> None:
    value, call = (
        score(f"{moved}; a.drop(); b.end()", f"a.drop(); b.end(); {moved}")
        for moved in ("n = a.free(b)", "a.free(b)")
    )
    assert call > 1.5 * value


def score(before: str, after: str) -> float:
    """That of the one change of a function; 0 if it is no candidate."""
    old, new = (f"def f(a, b, n):\n    {text}\n".encode() for text in (before, after))
    found = ranked(changed([Versions("srt/mem_cache/one.py", old, new)])).candidates
    return found[0].score if found else 0.0


def test_what_many_functions_share_counts_little() -> None:
    texts = [f"def f{{at}}(a, b):\n    return {text}\n" for text in ("a", "max(a, b)")]
    many = ["".join(text.format(at=at) for at in range(30)) for text in texts]
    few = ["".join(text.format(at=at) for at in range(2)) for text in texts]
    alone, shared = (ranked(between(*pair)).candidates for pair in (few, many))
    assert not shared or shared[0].score < alone[0].score / 3


def test_one_change_of_several_functions_is_one_candidate() -> None:
    texts = [f"def f{{at}}(a, b):\n    return {text}\n" for text in ("a", "max(a, b)")]
    (found,) = ranked(between(*("".join(text.format(at=at) for at in range(3)) for text in texts))).candidates
    assert (found.changed.qualname, found.also) == ("f0", ("f1", "f2"))


def test_the_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    before, after = (tree(tmp_path / name, fixed=name == "fixed") for name in ("buggy", "fixed"))
    files = list(of_trees(before, after, FOLDERS))
    told = [[(each.changed.qualname, each.score) for each in ranked(changed(order)).candidates]
            for order in (files, files[::-1])]  # fmt: skip
    assert told[0] == told[1]
