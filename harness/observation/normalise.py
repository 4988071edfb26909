"""Words that two runs agree on: messages without addresses, pids, times and paths."""

from __future__ import annotations

import re

_RULES = (
    (re.compile(r"\bc[a-z2-7]{40,}\.py(:\d+)?"), "COMPILED"),  # Inductor names files after their content
    (re.compile(r"0x[0-9a-fA-F]+"), "ADDR"),
    (re.compile(r"(/[\w.+-]+){2,}"), "PATH"),
    (re.compile(r"\b(pid|PID)[ =:]*\d+"), r"\1 N"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?"), "TIME"),
    (re.compile(r"\s+"), " "),
)
MESSAGE_LENGTH = 300


def message(text: str) -> str:
    """One line of at most `MESSAGE_LENGTH` characters; sizes and indices stay."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.strip()[:MESSAGE_LENGTH]
