"""One draft, made by `refault new`, and held against what `patch -R` makes of the files."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ci.drafts.cut import Case
from ci.drafts.running import Command, Ran
from ci.drafts.shapes import Shape, written
from harness.errors import BadInput, StaleRevert
from harness.facts import Reproducer, Revert
from harness.source import revert
from harness.source.tree import Tree

_PROVEN = "to the very syntax it had before"
"""How a draft says that its revert was proven (harness/draft/render.py)."""
_BUT_IMPORTS = "but for imports of what is gone"
"""How it says that nothing but imports is not as it was."""
_USAGE = 2
"""How the command ends where it refuses its input."""


class Word(StrEnum):
    """What became of a patch."""

    EXACT = "exact"
    """The draft's revert gives the files that `patch -R` gives, and the draft says so."""
    IMPORTS = "but imports"
    """It gives them but for imports of modules that are gone, and the draft says so, import by import."""
    TODO = "to-do"
    """It does not, or not in all, and the draft says what is left."""
    COMMENTS = "comments only"
    """The patch changes no syntax, and the draft has no revert."""
    REFUSED = "refused"
    CRASH = "crash"
    FALSE = "false proof"
    """The draft says more than is so."""


@dataclass(frozen=True)
class Result:
    """`cpu` and `wall` are the seconds of the whole command."""

    name: str
    shape: Shape
    word: Word
    cpu: float
    wall: float
    edits: int = 0
    told: str = ""
    expected: str = ""


def check(case: Case, shape: Shape, tree: Tree, spec: str, folder: Path, command: Command) -> Result:
    """Draft the case and judge the draft; `spec` is what the tree is called, `folder` an empty one.

    BadInput if the program `patch` cannot undo the case.
    """
    after = {one.path: tree.read(one.path).decode("utf-8") for one in case.files}
    before = reversed_by_patch(case, after, folder / "files")
    patch, draft = folder / "fix.patch", folder / "pr99999_draft.py"
    patch.write_bytes(written(case, shape, before, after))
    ran = command(["new", "99999", "--patch", str(patch), "--sglang", spec, "--output", str(draft)])
    word, edits, told = _judged(ran, draft, tree, before, after)
    return Result(case.name, shape, word, ran.cpu, ran.wall, edits, told, case.expected)


def reversed_by_patch(case: Case, after: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The files as they were, by the program `patch` alone. BadInput if it cannot undo the case."""
    for path, text in after.items():
        (folder / "sglang" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sglang" / path).write_bytes(text.encode("utf-8"))
    words = ["patch", "--reverse", "--silent", "--force", "--no-backup-if-mismatch", "--strip=2"]
    data = written(case, Shape.GIT, {}, {})
    done = subprocess.run([*words, f"--directory={folder}"], input=data, capture_output=True, check=False)
    if done.returncode:
        raise BadInput(f"{case.name}: patch cannot undo it ({done.stdout.decode().strip()})")
    return {path: (folder / "sglang" / path).read_bytes().decode("utf-8") for path in after}


# --- judging -------------------------------------------------------------------------------


def _judged(
    ran: Ran, draft: Path, tree: Tree, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Word, int, str]:
    """What became of it, how many edits the draft has, and the first thing that is told of it."""
    if ran.code:
        told = (ran.stderr.strip().splitlines() or [""])[-1]
        return (Word.REFUSED if ran.code == _USAGE else Word.CRASH), 0, told
    text = draft.read_text(encoding="utf-8")
    try:
        reproducer = _loaded(draft)
    except Exception as error:  # noqa: BLE001 - whatever a draft raises when it is loaded is what is asked
        return Word.CRASH, 0, f"the draft cannot be loaded: {type(error).__name__}: {error}"
    assert isinstance(reproducer.revert, Revert)
    edits = reproducer.revert.forms[0].edits
    if any(edit.replace == "TODO" for edit in edits):
        return _without_edits(text, before, after)
    return _with_edits(text, tree, reproducer.revert, before, after)


def _without_edits(text: str, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Word, int, str]:
    if "# Derived from the patch" in text:
        return Word.FALSE, 0, "it claims a revert and has none"
    if all(_same(before[path], after[path]) for path in before):
        return Word.COMMENTS, 0, ""
    return _told(text, 0)


def _with_edits(
    text: str, tree: Tree, undoing: Revert, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Word, int, str]:
    count = len(undoing.forms[0].edits)
    try:
        plan = revert.plan(tree, undoing)
    except StaleRevert as error:
        return Word.FALSE, count, f"its revert does not apply: {error}"
    now = {path.partition("/")[2]: data.decode("utf-8") for path, data in plan.files.items()}
    others = [
        path for path in {**now, **before} if not _same(now.get(path) or after[path], before.get(path, ""))
    ]
    broken = next(_marks(text, "the reverted arm will not run"), "")
    if _BUT_IMPORTS in text:
        wrong = _more_than_imports({**after, **now}, before, others, text)
        return (Word.FALSE, count, wrong) if wrong else (Word.IMPORTS, count, broken)
    if _PROVEN not in text:
        return _told(text, count)
    if others:
        return Word.FALSE, count, f"{others[0]} is not what `patch -R` gives"
    return Word.EXACT, count, broken


def _more_than_imports(
    now: Mapping[str, str], before: Mapping[str, str], others: Sequence[str], text: str
) -> str:
    """What is wrong with the claim that nothing but imports differs, and that the draft names those."""
    joined = text.replace("\n    #   ", " ")
    for path in others:
        if not _same_but_imports(now[path], before.get(path, "")):
            return f"{path} is not what `patch -R` gives but for its imports"
        if f"{path}: `" not in joined:
            return f"the draft does not tell which import of {path} differs"
    return ""


def _told(text: str, count: int) -> tuple[Word, int, str]:
    """A draft that proves nothing has to say what is left."""
    found = next(_marks(text, ""), "")
    return (Word.TODO, count, found) if found else (Word.FALSE, count, "what is left is not told")


def _marks(text: str, begins: str) -> Iterator[str]:
    """The to-do marks above the revert, each with the lines that it goes on over."""
    above = text.partition("    revert=Revert(")[0].partition("\nREPRODUCER = ")[2]
    joined = above.replace("\n    #   ", " ")
    for line in joined.splitlines():
        if line.startswith(f"    # TODO: {begins}"):
            yield line.strip().removeprefix("# ")


def _same(one: str, other: str) -> bool:
    """Whether two texts have the same syntax."""
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def _same_but_imports(one: str, other: str) -> bool:
    """The same where neither imports anything."""
    return ast.dump(_Bare().visit(ast.parse(one))) == ast.dump(_Bare().visit(ast.parse(other)))


class _Bare(ast.NodeTransformer):
    """Takes the imports out; a block of which nothing else is left passes."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        found = super().generic_visit(node)
        if getattr(found, "body", None) == []:
            found.body = [ast.Pass()]  # type: ignore[attr-defined]
        return found

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None


def _loaded(draft: Path) -> Reproducer:
    """The draft's reproducer. A record reads the text of its module, so that it has to be a known one."""
    name = f"_draft_{abs(hash(draft))}"
    spec = importlib.util.spec_from_file_location(name, draft)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    found = module.REPRODUCER
    assert isinstance(found, Reproducer)
    return found
