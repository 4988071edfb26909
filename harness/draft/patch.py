"""A patch as it comes: the files that it changes, hunk by hunk, and what its author wrote above them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import foreign
from harness.errors import BadInput
from harness.foreign import shown

LARGEST = 4 << 20
"""Bytes of a patch: what changes more is no fix of one bug."""
NOWHERE = "/dev/null"
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_LOG = re.compile(r"commit [0-9a-f]{40}\b")
_MAIL = re.compile(r"From [0-9a-f]{40} ")
_GIT = re.compile(r'diff --git (?:"?a/(?P<old>.+?)"?) (?:"?b/(?P<new>.+?)"?)$')
_MOVED = {"rename from ": "old", "rename to ": "new", "copy from ": "old", "copy to ": "new"}
_BINARY = ("GIT binary patch", "Binary files ")


@dataclass(frozen=True)
class Block:
    """One hunk: its lines before and after the patch, with their ends, and where it says they begin."""

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One file in one commit of a patch, by its names before and after; NOWHERE for a file that is not there.

    `note` says what else a patch did to it: its mode, or bytes that are no text.
    """

    old: str
    new: str
    blocks: tuple[Block, ...]
    note: str = ""

    @property
    def name(self) -> str:
        """The name by which it is known now."""
        return self.old if self.new == NOWHERE else self.new


@dataclass(frozen=True)
class Patch:
    """The changes of a patch, the earliest first, and the text of its messages."""

    changes: tuple[Change, ...]
    message: str = ""


def read(file: Path) -> Patch:
    """The patch in a file, as `parse` takes it. BadInput if it cannot be read."""
    try:
        return parse(foreign.read(file, largest=LARGEST), shown(file))
    except BadInput as error:
        raise BadInput(f"{error}: give --patch a unified diff") from error


def parse(data: bytes, name: str) -> Patch:
    """What `git diff`, `git format-patch`, `git log -p` or `diff -u` wrote.

    Text that is no UTF-8 is taken byte by byte: messages and names may have any encoding. BadInput, with
    `name`, if there is no change of a file in it, or if a hunk is not as long as its head says.
    """
    lines = data.decode("utf-8", errors="surrogateescape").split("\n")
    reader = _Reader(_without_returns(lines), name)
    reader.run()
    if not reader.changes:
        raise BadInput(
            f"{name}: holds no change of a file, so it is no unified diff: make it with `git diff`"
        )
    changes = reader.changes
    if reader.newest_first:
        changes = [one for commit in reversed(reader.commits()) for one in commit]
    return Patch(tuple(changes), "\n".join(reader.message).strip())


def _without_returns(lines: list[str]) -> list[str]:
    """The lines without the carriage returns of a patch that went through Windows."""
    heads = [line for line in lines if line.startswith(("@@ ", "+++ ", "--- "))]
    if heads and all(line.endswith("\r") for line in heads):
        return [line.removesuffix("\r") for line in lines]
    return lines


class _Reader:
    """Walks the lines once; what stands between files is their message."""

    def __init__(self, lines: list[str], name: str) -> None:
        self._lines, self._name, self._at = lines, name, 0
        self.changes: list[Change] = []
        self.message: list[str] = []
        self.newest_first = False
        self._starts: list[int] = []

    def commits(self) -> list[list[Change]]:
        """The changes, commit by commit as they are written."""
        ends = [*self._starts[1:], len(self.changes)]
        return [self.changes[start:end] for start, end in zip(self._starts, ends, strict=True)]

    def run(self) -> None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if found := _GIT.match(line):
                self._git(found["old"], found["new"])
            elif self._is_head():
                self.changes.append(self._plain(""))
            else:
                self._text(line)

    def _text(self, line: str) -> None:
        if _LOG.match(line):
            self.newest_first = True
        if _LOG.match(line) or _MAIL.match(line):
            self._starts.append(len(self.changes))
        self.message.append(line)
        self._at += 1

    def _is_head(self, at: int | None = None) -> bool:
        """Whether the head of a file begins here: a message may hold dashes of its own."""
        lines = self._lines[at or self._at : (at or self._at) + 3]
        marks = ("--- ", "+++ ", "@@ -")
        return len(lines) == 3 and all(map(str.startswith, lines, marks))

    def _git(self, old: str, new: str) -> None:
        names, notes = {"old": old, "new": new}, []
        self._at += 1
        while self._at < len(self._lines) and (told := self._extended(self._lines[self._at])):
            kind, value = told
            if kind in names:
                names[kind] = value
            elif kind:
                notes.append(kind)
            self._at += 1
        note = ", ".join(dict.fromkeys(notes))
        if self._at < len(self._lines) and self._is_head():
            self.changes.append(self._plain(note))
        else:
            self._skip_binary()
            self.changes.append(Change(_plain_name(names["old"]), _plain_name(names["new"]), (), note))

    def _extended(self, line: str) -> tuple[str, str] | None:
        """What a line between `diff --git` and the hunks says: a name, a note, or nothing of interest."""
        for start, kind in _MOVED.items():
            if line.startswith(start):
                return kind, line.removeprefix(start)
        if line.startswith("new file mode"):
            return "old", NOWHERE
        if line.startswith("deleted file mode"):
            return "new", NOWHERE
        if line.startswith(("old mode", "new mode")):
            return "its mode was changed", ""
        if line.startswith(_BINARY):
            return "it is binary", ""
        return ("", "") if line.startswith(("index ", "similarity ", "dissimilarity ")) else None

    def _skip_binary(self) -> None:
        """Past the lines of a binary patch, which end before the next file or commit."""
        if self._lines[self._at - 1].startswith("GIT binary patch"):
            while self._at < len(self._lines) and not self._ends():
                self._at += 1

    def _ends(self) -> bool:
        line = self._lines[self._at]
        return bool(_GIT.match(line) or _MAIL.match(line) or _LOG.match(line) or self._is_head())

    def _plain(self, note: str) -> Change:
        old, new = map(_header_name, self._lines[self._at : self._at + 2])
        self._at += 2
        blocks = []
        while self._at < len(self._lines) and (found := _HUNK.match(self._lines[self._at])):
            blocks.append(self._hunk(found))
        return Change(_plain_name(old), _plain_name(new), tuple(blocks), note)

    def _hunk(self, head: re.Match[str]) -> Block:
        number = self._at + 1
        missing = {" -": int(head[2] or 1), " +": int(head[4] or 1)}
        sides: dict[str, list[str]] = {" -": [], " +": []}
        self._at += 1
        last = ""
        while any(missing.values()) or self._is_marker():
            kind, text = self._line(number)
            for side, kept in sides.items():
                if kind == "\\" and last in side and kept:
                    kept[-1] = kept[-1].removesuffix("\n")
                elif kind in side:
                    kept.append(f"{text}\n")
                    missing[side] -= 1
            if min(missing.values()) < 0:
                raise self._wrong(number)
            last = kind
        return Block(int(head[3]), tuple(sides[" -"]), tuple(sides[" +"]))

    def _is_marker(self) -> bool:
        return self._at < len(self._lines) and self._lines[self._at].startswith("\\ ")

    def _line(self, hunk: int) -> tuple[str, str]:
        """One line of a hunk by its kind; a mailer takes the blank from an empty line of context."""
        if self._at >= len(self._lines):
            raise self._wrong(hunk)
        line = self._lines[self._at]
        if line[:1] not in (" ", "+", "-", "\\", "", "\r"):
            raise self._wrong(hunk)
        self._at += 1
        return (line[0], line[1:]) if line[:1] not in ("", "\r") else (" ", line)

    def _wrong(self, number: int) -> BadInput:
        problem = f"{self._name}:{number}: this hunk is not as long as its head says"
        return BadInput(f"{problem}, so it is no unified diff: make it with `git diff`")


def _header_name(line: str) -> str:
    """The name in a line `--- name` or `+++ name`, without the date behind a tab."""
    return re.sub(r"\t.*| +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*", "", line[4:].rstrip("\r"))


def _plain_name(name: str) -> str:
    """A name as git quotes it, without quotes and without the letter of its side."""
    if name.startswith('"') and name.endswith('"'):
        name = _unquoted(name)
    return name if name == NOWHERE else name.removeprefix("a/").removeprefix("b/")


def _unquoted(name: str) -> str:
    try:
        return str(ast.literal_eval(f"b{name}").decode("utf-8", errors="surrogateescape"))
    except (SyntaxError, ValueError):
        return name


def parts_below(name: str, package: str) -> Iterator[str]:
    """What a name may mean as a path inside the package, the likeliest first.

    Patches name files from the root of a clone, of a wheel, of an unpacked release, or of the package.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    places = [at + 1 for at, part in enumerate(parts[:-1]) if part == package]
    yield from ("/".join(parts[at:]) for at in reversed(places))
    yield "/".join(parts)
