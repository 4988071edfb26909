"""Which exceptions of a reverted arm say that its revert is broken, and nothing of the bug.

A revert that loses a name, an attribute or a parameter raises as soon as it runs. That is no proof.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from harness.facts import ExpectedFault, Raised

BROKEN = "the revert is broken"
_NAMES = frozenset({"NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError"})
_ATTRIBUTE = re.compile(r"^(?P<owner>.*?) has no attribute '(?P<name>\w+)'")
# As Python and `inspect` word that a call's arguments do not fit the parameters.
_BINDING = re.compile(
    r"missing (?:\d+|a) required (?:positional |keyword-only )?arguments?"
    r"|takes (?:no|\d+|from \d+ to \d+) (?:positional |keyword )?arguments?"
    r"|too many positional arguments"
    r"|got an unexpected keyword argument"
    r"|got multiple values for (?:keyword )?argument"
    r"|multiple values for argument"
    r"|got some positional-only arguments passed as keyword"
)


def broken(
    raised: Raised, edited: Iterable[str], defines: Callable[[str], bool], expected: ExpectedFault | None
) -> str | None:
    """Why a reverted arm's exception is its revert's own fault; None if it is not, or is the declared bug.

    `edited` are the qualified names of the edited functions; `defines` says whether the tree under test
    gives anything this name.
    """
    if raised.is_declared(expected) or not _is_lost(raised, edited, defines):
        return None
    return f"{BROKEN}: {raised.text}"


def _is_lost(raised: Raised, edited: Iterable[str], defines: Callable[[str], bool]) -> bool:
    if raised.type == "AttributeError":
        # What an edited function no longer sets is missed elsewhere, so it may be anywhere in the tree.
        return bool(raised.through) and _lacks(raised.message, defines)
    if raised.type in _NAMES:
        return _at_or_under(raised, edited)
    binds = raised.type == "TypeError" and _BINDING.search(raised.message)
    return bool(binds) and (_at_or_under(raised, edited) or _calls(raised.message, edited))


def _lacks(message: str, defines: Callable[[str], bool]) -> bool:
    """Whether the attribute is one that nothing in the tree has. None has none: there the value is wrong."""
    found = _ATTRIBUTE.match(message)
    return found is not None and found["owner"] != "'NoneType' object" and not defines(found["name"])


def _at_or_under(raised: Raised, edited: Iterable[str]) -> bool:
    return any(_same(one, name) for one in raised.through for name in edited)


def _calls(message: str, edited: Iterable[str]) -> bool:
    """Whether it was the call of an edited function that did not bind."""
    called = message.partition("(")[0]
    return any(_same(called, name) for name in edited)


def _same(seen: str, name: str) -> bool:
    """Whether a frame is of a function; a frame that a log tells of has a plain name."""
    plain, name = seen.replace("<locals>.", ""), name.removeprefix("class ")
    return plain == name or ("." not in plain and plain == name.rpartition(".")[2])
