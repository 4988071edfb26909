"""Reads TOML tables key by key, so that a mistake is one line that names the file, the key and the remedy."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

from harness import foreign
from harness.errors import BadInput

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Table:
    """One table of a file; `where` is how a message calls it, such as `gate.toml: require[2]`."""

    where: str
    data: Mapping[str, Any]
    _asked: set[str] = field(default_factory=set, compare=False)

    def text(self, key: str, default: str | None = None) -> str:
        """A string that is not empty. BadInput if it is missing without a default."""
        found = self._get(key, default)
        if not isinstance(found, str) or not found.strip():
            raise self.bad(key, f"{found!r} is no text: write one between quotes")
        return found.strip()

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._known(key) else None

    def word(self, key: str, text: str, read: Callable[[str], _Read]) -> _Read:
        """What a text of this key means. BadInput where `read` raises ValueError."""
        try:
            return read(text)
        except ValueError as error:
            raise self.bad(key, str(error)) from error

    def optional_word(self, key: str, read: Callable[[str], _Read]) -> _Read | None:
        text = self.optional_text(key)
        return None if text is None else self.word(key, text, read)

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of strings, each once. BadInput if it is empty."""
        found = self._get(key, default)
        if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
            raise self.bad(key, f'{found!r} is no list of texts: write it as ["…", "…"]')
        if not found:
            raise self.bad(key, "is empty: name at least one, or remove the key")
        return tuple(dict.fromkeys(found))

    def count(self, key: str, default: int) -> int:
        """A whole number of at least 1."""
        found = self._get(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise self.bad(key, f"{found!r} is no whole number of at least 1")
        return found

    def share(self, key: str, default: float) -> float:
        """A share between 0 and 1."""
        found = self._get(key, default)
        if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= 1:
            raise self.bad(key, f"{found!r} is no share: write a number from 0.0 to 1.0")
        return float(found)

    def day(self, key: str) -> date:
        found = self._get(key, None)
        if not isinstance(found, date) or isinstance(found, datetime):
            raise self.bad(key, f"{found!r} is no date: write it without quotes, such as 2026-12-31")
        return found

    def table(self, key: str) -> Table:
        """A table of this one; empty if it is missing."""
        found = self._get(key, {})
        if not isinstance(found, dict):
            raise self.bad(key, f"is no table: write [{key}]")
        return Table(f"{self.where}: {key}", found)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of a list of tables, counted from 1; none if it is missing."""
        found = self._get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.bad(key, f"is no list of tables: write [[{key}]]")
        for number, item in enumerate(found, 1):
            yield Table(f"{self.where}: {key}[{number}]", item)

    def done(self) -> None:
        """BadInput for a key that nobody asked for: a misspelt bound would bind nothing."""
        for key in self.data:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(self._asked))}"
                raise self.bad(key, f"there is no such key: {hint}")

    def bad(self, key: str, problem: str) -> BadInput:
        return BadInput(f"{self.where}: {key}: {problem}")

    def _known(self, key: str) -> Mapping[str, Any]:
        self._asked.add(key)
        return self.data

    def _get(self, key: str, default: object) -> Any:
        found = self._known(key).get(key, default)
        if found is None:
            raise self.bad(key, "is missing: add it")
        return found


def read(path: Path) -> tuple[Table, str]:
    """The file as one table, and its sha256. BadInput if it cannot be read, or is no TOML."""
    try:
        data = foreign.read(path, largest=foreign.LARGEST_TABLE)
        return Table(path.name, foreign.table_in(data, path)), hashlib.sha256(data).hexdigest()
    except BadInput as error:
        raise BadInput(f"{error}: give a policy in TOML") from error
