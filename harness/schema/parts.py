"""What the forms have in common: texts, numbers, and the parts of an observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import EXTENT, FaultKind
from harness.facts.kinds import DECLARED

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time"}
LINE: Schema = {"type": "string", "pattern": "^[^\n]*$"}
INTEGER: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
"""What fits a register: the numbers of a fault are of elements."""
SECONDS: Schema = {"type": "number", "minimum": 0, "maximum": 1e9}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
ANYTHING: Schema = {"type": "object"}


def listed(items: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": items}


def closed(
    required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, *, more: bool = False
) -> Schema:
    """An object with these members, and, unless `more`, no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": more,
    }


def fault() -> Schema:
    """What `Fault.to_json` writes."""
    names = dict.fromkeys(("buffer", "kernel", "process", "message"), TEXT)
    numbers = dict.fromkeys(EXTENT, INTEGER)
    met = {"place": TEXT, "mode": TEXT, "requests": listed(TEXT)}
    seen = {"seen": closed({}, {**met, **numbers})}
    ours: Schema = {"enum": sorted(kind.value for kind in FaultKind)}
    kind: Schema = {"anyOf": [ours, {"type": "string", "pattern": f"^{DECLARED}$"}]}
    return closed({"kind": kind, "signature": LINE}, {**names, **numbers, **seen})


def event() -> Schema:
    """One event of a trace."""
    return closed({"event": TEXT}, more=True)


def either() -> Schema:
    """By the path of a value in the results, all that it may be where stores race for it."""
    return {"type": "object", "additionalProperties": {"type": "array", "minItems": 2}}
