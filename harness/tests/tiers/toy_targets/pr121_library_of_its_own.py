"""#121: a case that fails in a library, not in the toy upstream."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from harness.facts import Lab
from harness.tests.tiers.toy_targets import pr120_widened_store


def fail(lab: Lab, *, out: str, table: str) -> dict[str, Any]:
    json.loads("none of it")
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
