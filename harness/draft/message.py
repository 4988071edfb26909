"""What the message of a patch says of the fix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from harness.foreign import visible

_SUBJECT = re.compile(r"^Subject: (.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_LOGGED = re.compile(r"^commit [0-9a-f]{40}.*\n(?:\w+: .*\n)*\n    (.*)", re.MULTILINE)
_TAG = re.compile(r"^\[PATCH[^\]]*\]\s*")
_NUMBER = re.compile(r"\s*\(#\d+\)\s*$")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_PLATFORMS = {
    "rocm": re.compile(r"\b(?:rocm|hip|amd|mi300x?|mi355x?|gfx9\d\w|aiter)\b", re.IGNORECASE),
    "cuda": re.compile(r"\b(?:cuda|h100|h200|b200|sm\d\d+)\b", re.IGNORECASE),
    "npu": re.compile(r"\b(?:npu|ascend)\b", re.IGNORECASE),
    "xpu": re.compile(r"\bxpu\b", re.IGNORECASE),
}
_SYMPTOMS = {
    "illegal memory access": re.compile(
        r"illegal (?:memory )?access|segfault|segmentation fault", re.IGNORECASE
    ),
    "out of bounds": re.compile(r"out[- ]of[- ](?:bounds?|range)|\boob\b|overflow|overrun", re.IGNORECASE),
    "NaN": re.compile(r"\bnans?\b", re.IGNORECASE),
    "wrong output": re.compile(
        r"\b(?:wrong|incorrect|garbage|garbled|gibberish|corrupt\w*|mismatch\w*|accuracy)\b", re.IGNORECASE
    ),
    "leak": re.compile(r"\bleak\w*\b", re.IGNORECASE),
    "hang": re.compile(r"\b(?:hangs?|hung|deadlock\w*|stuck)\b", re.IGNORECASE),
    "crash": re.compile(r"\b(?:crash\w*|assert\w*|exception|\w+Error)\b", re.IGNORECASE),
}
"""Symptoms by the words that messages have for them; the words here are ours."""
_LONGEST = 90


@dataclass(frozen=True)
class Told:
    """The subject of the first message, and what messages name: server flags, platforms, symptoms."""

    title: str = ""
    flags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()


def told(message: str) -> Told:
    """What can be taken from a message as git writes it; all of it is empty for a bare diff."""
    flags = tuple(dict.fromkeys(_FLAG.findall(message)))
    named = tuple(name for name, words in _PLATFORMS.items() if words.search(message))
    symptoms = tuple(name for name, words in _SYMPTOMS.items() if words.search(_prose(message)))
    return Told(_title(message), flags, named, symptoms)


def _prose(message: str) -> str:
    """What people wrote, without the table of files below it."""
    return re.split(r"^---$|^ .*\|\s+\d+ [+-]*$", message, maxsplit=1, flags=re.MULTILINE)[0]


def _title(message: str) -> str:
    found = _SUBJECT.search(message) or _LOGGED.search(message)
    if found is None:
        return ""
    line = " ".join(_decoded(found[1]).split())
    line = visible(_NUMBER.sub("", _TAG.sub("", line))).replace('"', "'").replace("\\", "/")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _decoded(line: str) -> str:
    """A header as mail spells letters that are not ASCII."""
    try:
        return str(make_header(decode_header(line)))
    except (HeaderParseError, LookupError, UnicodeError):
        return line
