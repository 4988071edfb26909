"""Answers about trees are kept under all that they depend on, and none that was altered is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FixAbsent
from harness.facts import Revert, edit
from harness.source import answers, revert, soundness, symbols
from harness.source.answers import Answers
from harness.source.tree import Tree
from harness.source.tree import at as tree_at

SOURCE = """
def pages_needed(tokens, size):
    return helper(tokens) // size


def helper(tokens):
    return tokens + 1
"""
FIX = Revert(edit(in_function="pages_needed", replace="helper(tokens)", by="helper(tokens, 'é', 1)"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the answers of this process are kept for as long as the test runs."""
    kept = tmp_path / "answers"
    answers.answers().keep_in(kept)
    yield kept
    answers.answers().keep_in(None)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    package = tmp_path / "tree" / "toy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "pages.py").write_text(SOURCE)
    return tree_at(tmp_path / "tree", "toy")


def _ask(kept: Answers, find: Any, question: str = "which") -> Any:
    return kept.of((question, 1), find, lambda answer: answer, lambda told: ("read", told))


def _never() -> Any:
    raise AssertionError("it was to be known")


def _at(folder: Path) -> Answers:
    made = Answers()
    made.keep_in(folder)
    return made


def test_what_was_found_once_is_read_by_the_next_process(tmp_path: Path) -> None:
    assert _ask(_at(tmp_path), lambda: {"line": 3}) == {"line": 3}
    assert _ask(_at(tmp_path), _never) == ("read", {"line": 3})
    assert _ask(_at(tmp_path), lambda: 4, "another") == 4


def test_other_code_of_ours_answers_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ask(_at(tmp_path), lambda: 1)
    monkeypatch.setattr(answers, "_answering", lambda: "another release")
    assert _ask(_at(tmp_path), lambda: 2) == 2


@pytest.mark.parametrize("change", ["digest", "answer", "text", "moved"])
def test_an_answer_that_was_altered_is_found_anew(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _ask(_at(tmp_path), lambda: 1)
    (file,) = tmp_path.iterdir()
    if change == "moved":  # the answer to one question in the place of another's
        _ask(_at(tmp_path), lambda: 5, "another")
        (other,) = set(tmp_path.iterdir()) - {file}
        other.replace(file)
    else:
        text = file.read_text()
        altered = {"digest": text[:-3] + 'x"}', "answer": text.replace(": 1,", ": 2,"), "text": text[:-1]}
        assert altered[change] != text
        file.write_text(altered[change])
    assert _ask(_at(tmp_path), lambda: 3) == 3
    assert "which is no kept answer" in caplog.text


def test_nothing_is_kept_without_a_folder_or_where_it_cannot_be_told(tmp_path: Path) -> None:
    kept = _at(tmp_path / "folder")
    kept.of(("which",), lambda: 1, lambda answer: None, lambda told: 2)
    assert not (tmp_path / "folder").exists()
    kept.keep_in(None)
    assert (_ask(kept, lambda: 1), _ask(kept, lambda: 2)) == (1, 2)


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert _ask(_at(tmp_path / "file" / "folder"), lambda: 1) == 1


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        _ask(_at(tmp_path), lambda number=number: number, str(number))
    monkeypatch.setattr(answers, "MOST", 2)
    assert len(list(tmp_path.iterdir())) == 4
    _at(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def _forget() -> None:
    symbols._find.cache_clear()
    revert._plan.cache_clear()


def test_plans_sites_and_breaks_are_read_as_they_were_found(
    tree: Tree, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> tuple[Any, ...]:
        _forget()
        plan = revert.plan(tree, FIX)
        return plan, symbols.find_function(tree, "helper"), soundness.breaks(plan)

    found = ask()
    plan, sites, breaks = found
    assert "helper(tokens, 'é', 1)".encode() in plan.files["toy/pages.py"]
    assert [site.line for site in sites] == [6] and [one.type for one in breaks] == ["TypeError"]
    for module, name in ((revert, "_planned"), (symbols, "_search"), (soundness, "_breaks")):
        monkeypatch.setattr(module, name, lambda *_: _never())
    assert ask() == found


def test_a_tree_that_changed_is_asked_anew(tree: Tree, folder: Path) -> None:
    _forget()
    revert.plan(tree, FIX)
    place = tree.folder / "pages.py"
    place.write_text(place.read_text().replace("helper(tokens) //", "tokens //"))
    with pytest.raises(FixAbsent):
        revert.plan(tree_at(tree.root, "toy"), FIX)
