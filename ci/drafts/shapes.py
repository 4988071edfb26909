"""The forms in which a fix reaches a maintainer: one patch, written as git, diff and mailers do."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Mapping
from enum import StrEnum

from ci.drafts.cut import Case, File

Before = Mapping[str, str]
"""The text of each file without the patch, and with it."""


class Shape(StrEnum):
    """How a patch is written."""

    GIT = "git"
    """As `git diff` shows it."""
    CRLF = "crlf"
    """The same, through a browser on Windows."""
    MAIL = "mail"
    """As `git format-patch` writes it, with a message in Latin-1 that has dashes of its own."""
    PLAIN = "plain"
    """As `diff -u` of two unpacked releases writes it."""
    MODE = "mode"
    """With a change of mode."""
    MOVED = "moved"
    """With a new name of each file."""
    BESIDE = "beside"
    """With tests, documents, C++, Rust and a picture beside the code."""
    COMMITS = "commits"
    """As two commits that touch the same file."""


def written(case: Case, shape: Shape, before: Before, after: Before) -> bytes:
    """The case's patch in one of these forms; the texts are those of its files."""
    return _WAYS[shape](case, before, after).encode("utf-8", errors="surrogateescape")


def _git(case: Case, *_: Before) -> str:
    return "".join(_file(one) for one in case.files)


def _file(file: File, between: str = "", old: str = "") -> str:
    now = f"python/sglang/{file.path}"
    old = old or now
    return f"diff --git a/{old} b/{now}\n{between}--- a/{old}\n+++ b/{now}\n{file.hunks}"


def _crlf(case: Case, *_: Before) -> str:
    return _git(case).replace("\n", "\r\n")


def _mail(case: Case, *_: Before) -> str:
    return f"{_HEAD.format(mark='a' * 40, number='')}{_git(case)}{_FOOT}"


_HEAD = (
    "From {mark} Mon Sep 17 00:00:00 2001\nFrom: Ren\udce9 <toy@example.org>\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0000\nSubject: [PATCH{number}] [Fix] Rows are \udcfcber the end\n\n"
    "--- a/not/a/file\n--- what was seen\n\n    @@ -1 +1 @@ is no hunk either\n---\n"
    " python/sglang/x.py | 2 +-\n 1 file changed\n\n"
)
_FOOT = "-- \n2.40.1\n\n"


def _plain(case: Case, *_: Before) -> str:
    when = "2026-03-02 10:00:00.000000000 +0000"
    return "".join(
        f"diff -u -r 0.5.0/sglang/{one.path} 0.5.1/sglang/{one.path}\n--- 0.5.0/sglang/{one.path}\t{when}\n"
        f"+++ 0.5.1/sglang/{one.path}\t{when}\n{one.hunks}"
        for one in case.files
    )


def _mode(case: Case, *_: Before) -> str:
    between = "old mode 100644\nnew mode 100755\nindex 1111111..2222222\n"
    return "".join(_file(one, between) for one in case.files)


def _moved(case: Case, *_: Before) -> str:
    found = []
    for one in case.files:
        folder, name = one.path.rsplit("/", 1)
        old = f"python/sglang/{folder}/former_{name}"
        told = f"similarity index 90%\nrename from {old}\nrename to python/sglang/{one.path}\n"
        found.append(_file(one, told, old))
    return "".join(found)


def _beside(case: Case, *_: Before) -> str:
    return f"{_OTHERS}{_git(case)}{_PICTURE}"


_OTHERS = "".join(
    f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1,2 +1,2 @@\n-old\n+new\n last\n"
    for name in (
        "test/srt/test_rows.py",
        "docs/rows.md",
        "sgl-kernel/csrc/rows.cu",
        "sgl-router/src/rows.rs",
        "python/sglang/srt/configs/README.md",
    )
)
_PICTURE = (
    "diff --git a/assets/rows.png b/assets/rows.png\nindex 1111111..2222222 100644\nGIT binary patch\n"
    "literal 4\nLcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n"
)


def _commits(case: Case, before: Before, after: Before) -> str:
    """The first commit goes half of the way, line by line; the middle need not be Python."""
    middle = {path: _halfway(before[path], after[path]) for path in before}
    steps = [_diffs(before, middle), _diffs(middle, after)]
    heads = [_HEAD.format(mark=mark * 40, number=f" {at}/2") for at, mark in ((1, "a"), (2, "b"))]
    return "".join(f"{head}{step}{_FOOT}" for head, step in zip(heads, steps, strict=True))


def _halfway(before: str, after: str) -> str:
    """The text with half of the changed lines changed."""
    lines = list(difflib.ndiff(list(io.StringIO(before)), list(io.StringIO(after))))
    changed = [number for number, line in enumerate(lines) if line[:2] in ("- ", "+ ")]
    done = set(changed[: (len(changed) + 1) // 2])
    kept = (line[2:] for number, line in enumerate(lines) if _stays(line[:2], number in done))
    return "".join(kept)


def _stays(mark: str, done: bool) -> bool:
    return mark == "  " or (mark == "+ " and done) or (mark == "- " and not done)


def _diffs(before: Before, after: Before) -> str:
    found = []
    for path in sorted(before):
        old, new = (list(io.StringIO(texts[path])) for texts in (before, after))
        hunks = "".join(map(_ended, list(difflib.unified_diff(old, new))[2:]))
        found += [_file(File(path, hunks))] if hunks else []
    return "".join(found)


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


_WAYS: Mapping[Shape, Callable[[Case, Before, Before], str]] = {
    Shape.GIT: _git,
    Shape.CRLF: _crlf,
    Shape.MAIL: _mail,
    Shape.PLAIN: _plain,
    Shape.MODE: _mode,
    Shape.MOVED: _moved,
    Shape.BESIDE: _beside,
    Shape.COMMITS: _commits,
}
