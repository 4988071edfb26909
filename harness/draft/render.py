"""The draft of a reproducer as a module: what is proven filled in, the rest marked with TODO."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from harness.draft import guessed, message
from harness.draft.functions import Edited
from harness.draft.message import Told
from harness.draft.proof import Proof, Proven
from harness.draft.surroundings import Surroundings
from harness.facts import Edit
from harness.source import releases

_HEAD = '''\
"""{number}{title}

TODO: what went wrong and when, what it took to see it, and what the fix does. In your own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

{imports}


'''
_DRIVE = '''\
def {name}({lab}{params}) -> Mapping[str, Any]:
    """TODO: {told}."""
    raise NotImplementedError("TODO: {short}")


'''
_BUG = """\
REPRODUCER = Reproducer(
    bug=Bug(
{number}        introduced_in={introduced},  # TODO: the first affected release: `refault matrix {called}`
        fixed_in={release},  # TODO: {fixed}
        symptom="TODO: what a user saw{symptoms}",
    ),
"""
_CASE = """\
    kernel=KernelCase(
        call=drive,
        imports={imports},  # TODO: the modules that `drive` needs
"""
_MEMORY = """\
        watch=watch("oob-write", "oob-read"),  # TODO: the kinds of fault (docs/facts.md), and the buffers
        # If the bug gives wrong values: watch("wrong-value"), and what the outputs should be, by their names,
        # from a function of the same parameters: reference=expected, tolerance=Tolerance(...).
    ),
    expect=Expect(reverted=faults("oob-write")),  # TODO: how the undone fix shows, and where (only=)
)
"""
_VALUES = """\
        # The edits change values. If memory shows the bug, watch("oob-write", "oob-read") needs no reference.
        watch=watch("wrong-value"),  # TODO: the kinds of fault (docs/facts.md), and the buffers
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="TODO: why outputs may differ so much"),
    ),
    expect=Expect(reverted=faults("wrong-value")),  # TODO: how the undone fix shows, and where (only=)
)
"""
_ALWAYS = (
    "Bug",
    "Expect",
    "Grid",
    "KernelCase",
    "KernelLab",
    "Reproducer",
    "Revert",
    "edit",
    "faults",
    "watch",
)
_MEMORIES = re.compile(
    r"\b(?:mask|int64|long|empty|zeros|full|slice|free|alloc\w*|stride\w*|numel|shape|max_\w+)\b|:\w*\]"
)
"""What an edit has in it that sizes memory, or says where it is."""
_UNDONE = {
    Proof.EXACT: "to the very syntax it had before",
    Proof.BUT_IMPORTS: "but for imports of what is gone",
    Proof.PARTLY: "but for what is listed below",
}
_INDENT = " " * 8
_WIDTH = 110
_NO_TITLE = "TODO: the bug in one line."


def render(pr: int | None, proven: Proven, known: Surroundings | None = None, called: str = "") -> str:
    """The draft's text. It is a reproducer that can be listed and shown, and whose case ends UNRESOLVED.

    Without a number it is `called` by a name.
    """
    said, known = message.told(proven.message), known or Surroundings()
    title = f"TODO: the bug in one line; the patch is called: {said.title}" if said.title else _NO_TITLE
    values = _changes_values(proven)
    symptoms = f" (the message speaks of: {', '.join(said.symptoms)})" if said.symptoms else ""
    return "".join(
        (
            _HEAD.format(number=f"#{pr}: " if pr else "", title=title, imports=_imports(known, values)),
            *_known(known),
            _function("drive", known, *_WANTED["drive"]),
            _function("expected", known, *_WANTED["expected"]) if values else "",
            _BUG.format(
                number=f"        pr={pr},\n" if pr else "",
                called=pr or called,
                symptoms=symptoms,
                **_releases(proven),
            ),
            *_said(said),
            *_fits(proven),
            *_revert(proven),
            _CASE.format(imports=_tuple(proven.modules)),
            *_params(known),
            _VALUES if values else _MEMORY,
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


_WANTED = {
    "drive": (
        "call real upstream code until one of the edited functions runs; return its outputs by name",
        "write the call (docs/lab.md), and its parameters",
    ),
    "expected": ("what the outputs should be, by their names, without upstream", "write the reference"),
}
"""What is to be written of each function: in its docstring, and where it raises."""


def _changes_values(proven: Proven) -> bool:
    """Whether nothing that the edits exchange sizes memory, or says where it is."""
    exchanged = [f"{edit.replace}\n{edit.by}" for edit in proven.edits]
    return bool(exchanged) and not any(map(_MEMORIES.search, exchanged))


def _imports(known: Surroundings, values: bool) -> str:
    """The import of the facts, over several lines where it is too long for one."""
    records = {guess.record.partition("(")[0] for guess in known.params}
    names = sorted({*_ALWAYS, *records, *(["Tolerance"] if values else [])}, key=_place)
    if not any(guess.grid for guess in known.params):
        names.remove("Grid")
    line = f"from harness.facts import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(("from harness.facts import (", *(f"    {name}," for name in names), ")"))


def _place(name: str) -> tuple[bool, str]:
    """Classes come before functions, as imports are sorted."""
    return name[0].islower(), name


def _function(name: str, known: Surroundings, told: str, short: str) -> str:
    lab = "lab: KernelLab, " if name == "drive" else ""
    params = ", ".join(f"{guess.name}: {guess.type}" for guess in known.params)
    text = _DRIVE.format(name=name, lab=lab, params=f"*, {params}", told=told, short=short)
    head, _, rest = text.partition("\n")
    if len(head) <= _WIDTH:
        return text
    inside = f"    {lab}*, {params}"
    return f"def {name}(\n{inside}\n) -> Mapping[str, Any]:\n{rest}"


def _params(known: Surroundings) -> Iterator[str]:
    read = known.params[0] is not guessed.FALLBACK
    origin = "these are read off the edited functions" if read else "this is an example"
    yield f"        params={{  # TODO: what the bug depends on; {origin}\n"
    yield from (f'            "{guess.name}": {guess.record},\n' for guess in known.params)
    yield "        },\n"
    axes = [f"{guess.name}={guess.grid}" for guess in known.params if guess.grid]
    if axes:
        line = f"        grid=Grid({', '.join(axes)}),"
        if len(line) <= _WIDTH:
            yield f"{line}\n"
        else:
            yield "        grid=Grid(\n"
            yield from (f"            {axis},\n" for axis in axes)
            yield "        ),\n"


def _known(known: Surroundings) -> Iterator[str]:
    """What was found of the edited functions, as comments above `drive`."""
    told = [line for one in known.functions for line in _about(one)]
    told += [f"A rig that names this code: {', '.join(known.rigs)}."] if known.rigs else []
    told += [f"The patch's own test calls {call}." for call in known.calls]
    if told:
        told.append("TODO: take from these lines what `drive` needs, and delete them.")
        yield from (line for text in told for line in _comment(text, ""))


def _about(function: Edited) -> Iterator[str]:
    name = f'lab.upstream("{function.qualname}")'
    yield f"{name} is {function.signature}, of {function.module}."
    if found := list(guessed.tensors(function.node)):
        yield f"Its tensors: {', '.join(found)}."
    if function.is_kernel:
        yield "It is a Triton kernel: call what launches it, or launch it on a grid as that does."
    more = ", and elsewhere" if function.more else ""
    if function.callers:
        what = "Its class" if function.is_constructor else "Something of this name"
        yield f"{what} is called in {'; '.join(function.callers)}{more}."


def _said(said: Told) -> Iterator[str]:
    if said.flags:
        yield from _comment(f"The message names these flags: {', '.join(said.flags)}")
    if said.platforms:
        yield from _comment(f"The message names these platforms: {', '.join(said.platforms)}")


def _revert(proven: Proven) -> Iterator[str]:
    tree = f"sglang {proven.tree.version}" if proven.tree.version else "the tree it was derived in"
    what = _UNDONE[proven.proof]
    if proven.edits and not proven.only:
        yield f"    # Derived from the patch, and proven to undo it in {tree}, {what}.\n"
    elif proven.edits:
        part = f"what it changes in {', '.join(proven.only)}"
        yield from _comment(f"Derived from the patch, and proven to undo {part} in {tree}, {what}.")
    else:
        yield from _comment("TODO: no edit that undoes the patch could be derived: write the revert by hand.")
    for why in proven.broken:
        yield from _comment(f"TODO: the reverted arm will not run, because {why}")
    for left in proven.left:
        yield from _comment(f"TODO: {left.text}." if left.todo else f"{left.text}.")
    yield "    revert=Revert(\n"
    for edit in proven.edits or (Edit(replace="TODO", by="TODO", in_module=proven.modules[0]),):
        yield from _edit(edit)
    yield "    ),\n"


def _comment(text: str, indent: str = "    ") -> Iterator[str]:
    lines = textwrap.wrap(
        text,
        110,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}#   ",
        break_long_words=False,
        break_on_hyphens=False,
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
