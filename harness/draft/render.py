"""The draft of a reproducer as a module: what is proven filled in, the rest marked with TODO."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from harness.draft import message
from harness.draft.message import Told
from harness.draft.proof import Proven
from harness.facts import Edit
from harness.source import releases

_HEAD = '''\
"""#{pr}: {title}

TODO: what went wrong and when, what it took to see it, and what the fix does. In your own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def drive(lab: KernelLab, *, page_size: int) -> Mapping[str, Any]:
    """TODO: call real upstream code until one of the edited functions runs; return its outputs by name."""
    raise NotImplementedError("TODO: write the call (docs/lab.md), and its parameters")


REPRODUCER = Reproducer(
    bug=Bug(
        pr={pr},
        introduced_in={introduced},  # TODO: the first affected release: `refault matrix {pr}`
        fixed_in={release},  # TODO: {fixed}
        symptom="TODO: what a user saw",
    ),
'''
_TAIL = """\
    kernel=KernelCase(
        call=drive,
        imports={imports},  # TODO: the modules that `drive` needs
        params={{"page_size": Integer(16)}},  # TODO: what the bug depends on
        watch=watch("oob-write", "oob-read"),  # TODO: the kinds of fault (docs/facts.md), and the buffers
        # If the bug gives wrong values: watch("wrong-value"), and what the outputs should be, by their names,
        # from a function of the same parameters: reference=expected, tolerance=Tolerance(...).
    ),
    expect=Expect(reverted=faults("oob-write")),  # TODO: how the undone fix shows, and where (only=)
)
"""
_INDENT = " " * 8
_WIDTH = 110
_NO_TITLE = "TODO: the bug in one line."


def render(pr: int, proven: Proven) -> str:
    """The draft's text. It is a reproducer that can be listed and shown, and whose case ends UNRESOLVED."""
    said = message.told(proven.message)
    title = f"TODO: the bug in one line; the patch is called: {said.title}" if said.title else _NO_TITLE
    return "".join(
        (
            _HEAD.format(pr=pr, title=title, **_releases(proven)),
            *_said(said),
            *_fits(proven),
            *_revert(proven),
            _TAIL.format(imports=_tuple(proven.modules)),
        )
    )


def _releases(proven: Proven) -> dict[str, str | None]:
    """What the draft says of the first releases with the bug, and with the fix."""
    release = releases.parse(proven.tree.version or "") or "0"
    fits = proven.fitting
    introduced = fits.introduced_in if fits else None
    if fits and fits.fixed_in:
        fixed, why = fits.fixed_in, "the first release with the fix, as far as those at hand say"
    else:
        fixed, why = release, "the first release with the fix; this is the one it was derived from"
    return {
        "release": _quoted(fixed),
        "fixed": why,
        "introduced": _quoted(introduced) if introduced else None,
    }


def _fits(proven: Proven) -> Iterator[str]:
    for text in proven.fitting.told if proven.fitting else ():
        yield from _comment(f"{text}.")


def _said(said: Told) -> Iterator[str]:
    if said.flags:
        yield from _comment(f"The message names these flags: {', '.join(said.flags)}")
    if said.platforms:
        yield from _comment(f"The message names these platforms: {', '.join(said.platforms)}")


def _revert(proven: Proven) -> Iterator[str]:
    tree = f"sglang {proven.tree.version}" if proven.tree.version else "the tree it was derived in"
    what = "to the very syntax it had before" if proven.exact else "but for what is listed below"
    if proven.edits:
        yield f"    # Derived from the patch, and proven to undo it in {tree}, {what}.\n"
    for why in proven.broken:
        yield from _comment(f"TODO: the reverted arm will not run, because {why}")
    for left in proven.left:
        yield from _comment(f"TODO: {left.text}." if left.todo else f"{left.text}.")
    yield "    revert=Revert(\n"
    for edit in proven.edits or (Edit(replace="TODO", by="TODO", in_module=proven.modules[0]),):
        yield from _edit(edit)
    yield "    ),\n"


def _comment(text: str) -> Iterator[str]:
    lines = textwrap.wrap(
        text, 110, initial_indent="    # ", subsequent_indent="    #   ", break_long_words=False
    )
    yield from (f"{line}\n" for line in lines)


def _edit(edit: Edit) -> Iterator[str]:
    yield f"{_INDENT}edit(\n"
    names = {"in_function": edit.in_function, "in_class": edit.in_class, "in_module": edit.in_module}
    names |= {"replace": edit.replace, "by": edit.by} if edit.by else {"remove": edit.replace}
    for name, text in names.items():
        if text:
            yield from _argument(name, text)
    yield f"{_INDENT}),\n"


def _argument(name: str, text: str) -> Iterator[str]:
    line = f"{_INDENT}    {name}={_literal(text)},"
    if max(map(len, line.split("\n"))) <= _WIDTH:
        yield f"{line}\n"
        return
    yield f"{_INDENT}    {name}=(\n"
    for piece in _pieces(text):
        yield f"{_INDENT}        {_quoted(piece)}\n"
    yield f"{_INDENT}    ),\n"


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces that fit a line each, and that make the text again when they are joined."""
    for line in text.splitlines(keepends=True):
        words = re.findall(r"\S*\s*", line)
        piece = ""
        for word in words:
            if piece and len(_quoted(piece + word)) > _WIDTH - len(_INDENT) - 8:
                yield piece
                piece = ""
            piece += word
        if piece:
            yield piece


def _literal(text: str) -> str:
    """A text as Python spells it: over several lines if it has them, and if nothing in it forbids that."""
    plain = "\\" not in text and '"""' not in text and not text.endswith('"')
    return f'"""\n{text}\n"""' if "\n" in text and plain else _quoted(text)


def _quoted(text: str) -> str:
    """Between double quotes where it can be, as the formatter would have it."""
    literal = repr(text)
    return f'"{literal[1:-1]}"' if literal[0] == "'" and '"' not in text and "\\'" not in literal else literal


def _tuple(words: Sequence[str]) -> str:
    return f"({', '.join(map(_quoted, words))},)"
