"""#121: a case that fails in a library which lies beside the toy upstream, not in the toy."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from harness.facts import Lab
from harness.tests.tiers.toy_targets import pr120_widened_store

LIBRARY = "beside_the_toy"


def fail(lab: Lab, *, out: str, table: str) -> dict[str, Any]:
    importlib.import_module(LIBRARY).fail()
    return {}


_SOUND = pr120_widened_store.REPRODUCER
assert _SOUND.codegen
REPRODUCER = replace(
    _SOUND,
    bug=replace(_SOUND.bug, pr=121),
    codegen=replace(_SOUND.codegen, call=fail),
    module=__name__,
    title="",
    about="",
)
