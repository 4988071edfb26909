"""Remembers between runs which modules arms import, so that the next fork server has them from the start."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import foreign
from harness.errors import BadInput
from harness.process.job import write_json

_log = logging.getLogger(__name__)
LARGEST = foreign.MIB
"""Bytes of a list: one of torch and all that it imports has some 100 KiB."""


@dataclass(frozen=True)
class PreloadCache:
    """A list of module names in a file. `key` names what it holds for (versions, say).

    It is only a cache: what cannot be read or written is logged and does no harm.
    """

    path: Path
    key: str

    def load(self) -> tuple[str, ...]:
        """The stored names; empty if there are none for this key."""
        if not os.path.lexists(self.path):
            return ()
        try:
            data = foreign.document(self.path, largest=LARGEST)
            stored, modules = data["key"], data["modules"]
            if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
                raise TypeError("modules is no list of names")
        except (BadInput, TypeError, KeyError) as error:
            _log.warning(
                "ignoring %s, which is no preload cache (%s); it will be written anew", self.path, error
            )
            return ()
        return tuple(modules) if stored == self.key else ()

    def save(self, modules: Iterable[str]) -> None:
        """Replaces the stored names."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"key": self.key, "modules": list(modules)})
        except OSError as error:
            _log.warning("the preload cache %s cannot be written: %s", self.path, error)
