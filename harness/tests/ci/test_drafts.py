"""The driver that drafts many patches: what it cuts, how it writes them, how it judges the drafts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.drafts import __main__ as drafts
from ci.drafts import check, cut, shapes, table
from ci.drafts.check import Result, Word
from ci.drafts.running import Ran, cold, warm
from ci.drafts.shapes import Shape
from harness.draft import patch
from harness.draft.patch import NOWHERE
from harness.errors import BadInput
from harness.source.tree import Tree, at

BEFORE = """\
LIMIT = 8


def pages_needed(tokens, page_size):
    pages = tokens // page_size
    return pages


class Pool:
    size = 4
"""
AFTER = BEFORE.replace("tokens // page_size", "-(-tokens // page_size)")
PATH = "srt/pages.py"


def release(root: Path, version: str, **files: str) -> Tree:
    """A toy release; `files` are named by their path, with two underscores for a slash."""
    folder = root / version / "sglang"
    (folder / "srt").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text(f'__version__ = "{version}"\n')
    for name, text in files.items():
        (folder / f"{name.replace('__', '/')}.py").write_text(text)
    return at(root / version)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Tree, Tree]:
    same = {"srt__same": "x = 1\n", "beside": "y = 1\n"}
    old = release(tmp_path, "9.9.7", srt__pages=BEFORE, srt__long="\n" * 20, **same)
    long = "".join(f"x{number} = 1\n" for number in range(20))
    new = release(tmp_path, "9.9.8", srt__pages=AFTER, srt__long=long, **{**same, "beside": "y = 2\n"})
    return old, new


def test_small_differences_of_code_are_cut(pair: tuple[Tree, Tree]) -> None:
    (case,) = cut.differences(*pair)
    assert (case.name, case.release) == (f"9.9.7..9.9.8:{PATH}", "9.9.8")
    assert {one.files[0].path for one in cut.differences(*pair, largest=50)} == {PATH, "srt/long.py"}
    assert "+    pages = -(-tokens // page_size)\n" in case.files[0].hunks


def test_a_recipe_names_its_hunks(pair: tuple[Tree, Tree]) -> None:
    trees = {"9.9.7": pair[0], "9.9.8": pair[1]}
    told = {"old": "9.9.7", "new": "9.9.8", "expected": "drafted", "files": {PATH: ["-2,7 +2,7"]}}
    (case,) = cut.recipes({"one": told, "another": {"new": "9.9.8"}}, trees)
    assert (case.name, case.expected, case.files[0].path) == ("one", "drafted", PATH)
    with pytest.raises(BadInput, match=r"one: srt/pages\.py has no hunk -9,9 \+9,9"):
        list(cut.recipes({"one": {**told, "files": {PATH: ["-9,9 +9,9"]}}}, trees))


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_is_the_same_patch(pair: tuple[Tree, Tree], shape: Shape) -> None:
    (case,) = cut.differences(*pair)
    found = patch.parse(shapes.written(case, shape, {PATH: BEFORE}, {PATH: AFTER}), shape)
    ours = [change for change in found.changes if change.name.endswith(PATH)]
    added = [line for change in ours for block in change.blocks for line in block.after if "-tokens" in line]
    assert added == ["    pages = -(-tokens // page_size)\n"]
    assert len(ours) == (2 if shape is Shape.COMMITS else 1)
    assert (Path(ours[0].old).name != Path(ours[0].new).name) == (shape is Shape.MOVED)
    assert len(found.changes) - len(ours) == (6 if shape is Shape.BESIDE else 0)
    assert all(NOWHERE not in (change.old, change.new) for change in ours)


def test_a_draft_is_judged_by_what_patch_makes_of_the_files(pair: tuple[Tree, Tree], tmp_path: Path) -> None:
    (case,) = cut.differences(*pair)
    found = check.check(case, Shape.GIT, pair[1], str(pair[1].root), tmp_path / "a", cold)
    assert (found.word, found.edits, found.told) == (Word.EXACT, 1, "") and found.cpu > 0
    warmed = check.check(case, Shape.CRLF, pair[1], str(pair[1].root), tmp_path / "b", warm)
    assert warmed.word is Word.EXACT and warmed.cpu > 0


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (("-(-tokens // page_size)", "-(-tokens // 2)"), Word.FALSE),  # found nowhere
        (('by="pages = tokens // page_size"', 'by="pages = tokens"'), Word.FALSE),
        (("to the very syntax it had before", "but for what is listed below"), Word.FALSE),  # and nothing is
        (("REPRODUCER = ", "REPRODUCER = undefined or "), Word.CRASH),
    ],
)  # fmt: skip
def test_a_draft_that_says_more_than_is_so_is_found(
    pair: tuple[Tree, Tree], tmp_path: Path, harm: tuple[str, str], word: Word
) -> None:
    def harmed(words: object) -> Ran:
        ran = warm(words)  # type: ignore[arg-type]
        text = draft.read_text()
        assert harm[0] in text
        draft.write_text(text.replace(*harm))
        return ran

    draft = tmp_path / "a" / "pr99999_draft.py"
    (case,) = cut.differences(*pair)
    found = check.check(case, Shape.GIT, pair[1], str(pair[1].root), tmp_path / "a", harmed)
    assert found.word is word, found.told


LOST = "from sglang.srt.lost import LIMIT\n"
"""What the fix's file had before, from a module that is gone."""


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (("", ""), Word.IMPORTS),
        (("but for imports of what is gone", "to the very syntax it had before"), Word.FALSE),
        (
            ('by="pages = tokens // page_size"', 'by="pages = tokens"'),
            Word.FALSE,
        ),  # more than imports differs
        (("srt/pages.py: `from sglang.srt.lost", "srt/pages.py: something"), Word.FALSE),  # and is not told
    ],
)
def test_a_draft_without_imports_of_what_is_gone_is_held_to_the_rest(
    tmp_path: Path, harm: tuple[str, str], word: Word
) -> None:
    before, after = (
        BEFORE.replace("LIMIT = 8\n", LOST),
        AFTER.replace("LIMIT = 8\n", "from sglang.srt.now import LIMIT\n"),
    )
    old = release(tmp_path, "9.9.7", srt__pages=before)
    new = release(tmp_path, "9.9.8", srt__pages=after, srt__now="LIMIT = 8\n")

    def harmed(words: object) -> Ran:
        ran = warm(words)  # type: ignore[arg-type]
        text = draft.read_text().replace("\n    #   ", " ")
        assert harm[0] in text, text
        draft.write_text(text.replace(*harm) if harm[0] else text)
        return ran

    draft = tmp_path / "a" / "pr99999_draft.py"
    (case,) = cut.differences(old, new)
    found = check.check(case, Shape.GIT, new, str(new.root), tmp_path / "a", harmed)
    assert found.word is word, found.told


def test_what_the_command_refuses_and_how_it_crashes_is_told(pair: tuple[Tree, Tree], tmp_path: Path) -> None:
    (case,) = cut.differences(*pair)

    def ended(code: int) -> Result:
        return check.check(
            case, Shape.GIT, pair[1], "toy", tmp_path / str(code), lambda _: Ran(code, "a\nwhy\n", 1.0, 2.0)
        )

    assert (ended(2).word, ended(2).told) == (Word.REFUSED, "why")
    assert (ended(-11).word, ended(3).word) == (Word.CRASH, Word.CRASH)


def test_results_are_kept_as_they_come_and_not_made_again(
    pair: tuple[Tree, Tree], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    words = ["--pair", str(pair[0].root), str(pair[1].root), "--out", str(out)]
    assert drafts.main(words) == 0
    told = capsys.readouterr().out
    assert "exact             1\n" in told and "false proof       0\n" in told and "over 5: " in told
    line = json.loads(out.read_text())
    assert (line["word"], line["shape"]) == ("exact", "git")
    out.write_text(json.dumps({**line, "word": "false proof"}) + "\n")
    assert drafts.main(words) == 1 and "false proof       1\n" in capsys.readouterr().out
    out.write_text("no results\n")
    assert drafts.main(words) == 2 and "name another with --out" in capsys.readouterr().err


def test_a_table_without_results_proves_nothing() -> None:
    assert not table.is_sound([])
