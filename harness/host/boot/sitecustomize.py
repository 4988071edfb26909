"""Runs as every Python process of a server starts, and waits for the package under test.

Most of these processes never import it (multiprocessing's resource tracker, a compiler's helpers):
they pay for one small file and one check per import. It uses the standard library alone until then.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

VARIABLE = "REFAULT_SERVED"
"""Names the JSON file with `package`, and `entry` ("module:function") that is called with its content."""


class FirstImport(MetaPathFinder):
    """Calls the entry once, before the package is looked for: then its tree can still come first."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._settings["package"]:
            return None
        sys.meta_path.remove(self)
        module, _, function = self._settings["entry"].partition(":")
        getattr(importlib.import_module(module), function)(self._settings)
        return importlib.util.find_spec(fullname)


def watch(file: str, **more: Any) -> None:
    """Wait for the package that the settings in `file` name; `more` settings are this process's alone."""
    with open(file, encoding="utf-8") as text:
        sys.meta_path.insert(0, FirstImport({**json.load(text), **more}))


def give_way(folder: str) -> None:
    """Run the `sitecustomize` that this one hides, as the interpreter would have."""
    rest = [entry for entry in sys.path if os.path.abspath(entry) != folder]
    hidden = PathFinder.find_spec("sitecustomize", rest)
    if hidden is not None and hidden.loader is not None:
        hidden.loader.exec_module(importlib.util.module_from_spec(hidden))


if __name__ == "sitecustomize":
    give_way(os.path.dirname(os.path.abspath(__file__)))
    if VARIABLE in os.environ:
        watch(os.environ[VARIABLE])
