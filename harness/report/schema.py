"""The published schema of the JSON document; `python -m harness.report.schema` prints it.

It is built from the verdicts and fault kinds themselves, so that it cannot lag behind them;
docs/result.schema.json is its printed form, and a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.facts import FAULT_KINDS
from harness.verdict import Verdict

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": "string", "format": "date-time"}
_LINE: Schema = {"type": "string", "pattern": "^[^\n]*$"}
_NUMBER_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 1}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ANYTHING: Schema = {"type": "object"}
_ENDINGS = ["clean", "exception", "crash", "time-out", "out-of-memory", "lost"]


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(
    required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, *, more: bool = False
) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": more,
    }


def _fault() -> Schema:
    names = dict.fromkeys(("buffer", "kernel", "process", "message"), _TEXT)
    counted = ("numel", "first", "last", "count", "needed")
    numbers: dict[str, Schema] = {name: {"type": "integer"} for name in counted}
    met = {"place": _TEXT, "mode": _TEXT, "requests": _list(_TEXT)}
    seen = {"seen": _object({}, {**met, **numbers})}
    return _object({"kind": {"enum": sorted(FAULT_KINDS)}, "signature": _LINE}, {**names, **numbers, **seen})


def _attestation() -> Schema:
    module = _object({"name": _TEXT, "path": _TEXT, "sha256": _SHA256})
    words = {"entered": _list(_TEXT), "patches": _list(_TEXT)}
    own = {"tree": _TEXT, "root": _TEXT, "modules": _list(module), **words}
    one: Schema = {"$ref": "#/$defs/attestation"}
    return _object(own, {"processes": {"type": "object", "additionalProperties": one}})


def _point() -> dict[str, Schema]:
    fault: Schema = {"$ref": "#/$defs/fault"}
    event = _object({"event": _TEXT}, more=True)
    return {
        "outcome": {"enum": ["clean", "fault"]},
        "faults": _list(fault),
        "findings": _list(fault),
        "results": _ANYTHING,
        "compared": _ANYTHING,
        "notes": _list(_TEXT),
        "trace": _list(event),
        "digest": _SHA256,
    }


def _arm() -> Schema:
    told = {"code": {"type": "integer"}, "signal": _TEXT, "message": _TEXT}
    ending = _object({"how": {"enum": _ENDINGS}}, told)
    own: dict[str, Schema] = {
        "exit": ending,
        "attestation": {"anyOf": [{"$ref": "#/$defs/attestation"}, {"type": "null"}]},
        "unresolved": _TEXT_OR_NULL,
        "seconds": _SECONDS,
        "log": _TEXT_OR_NULL,
        "points": _list(_object({"params": _ANYTHING, **_point()})),
    }
    return _object({**_point(), **own})


def _result() -> Schema:
    # null: one arm alone was asked for, and nothing spoke against it.
    verdict: Schema = {"enum": [*(verdict.value for verdict in Verdict), None]}
    arms = _object({}, {"fixed": {"$ref": "#/$defs/arm"}, "reverted": {"$ref": "#/$defs/arm"}})
    return _object(
        {
            "reproducer": _TEXT, "pr": _NUMBER_OR_NULL, "issue": _NUMBER_OR_NULL,
            "tier": {"enum": ["codegen", "kernel", "server"]}, "platform": _TEXT, "params": _ANYTHING,
            "verdict": verdict, "evidence": {"enum": ["fault", "signature"]}, "reason": _LINE,
            "drift": _list(_LINE), "seconds": _SECONDS, "arms": arms,
        },
        {"configuration": {"const": True}, "rates": _object({}, {"fixed": _rate(), "reverted": _rate()})},
    )  # fmt: skip


def _rate() -> Schema:
    """How many of the runs of one arm faulted, and the bounds of Wilson's 95 % interval."""
    counts: dict[str, Schema] = {name: {"type": "integer", "minimum": 0} for name in ("faults", "runs")}
    return _object({**counts, "low": {"type": "number"}, "high": {"type": "number"}})


def schema() -> Schema:
    """The JSON schema (draft 2020-12) of the document."""
    tree = _object({"version": _TEXT_OR_NULL, "origin": _TEXT, "tree": _TEXT}, more=True)
    machine = _object({"platform": _TEXT}, more=True)
    top = {"refault": _TEXT, "sglang": tree, "machine": machine, "results": _list(_result())}
    parts = {"fault": _fault(), "attestation": _attestation(), "arm": _arm()}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Refault's results"}
    partial = _object({"ended_by": _TEXT, "wanted": {"type": "integer", "minimum": 0}})
    return {**head, **_object(top, {"at": _TIME, "partial": partial}), "$defs": parts}


def printed() -> str:
    """The schema as docs/result.schema.json has it."""
    return json.dumps(schema(), indent=2) + "\n"


def validate(document: Any) -> list[str]:
    """Where a document departs from the schema, one line each. Needs the package jsonschema."""
    import jsonschema  # only tests need it: a run must not depend on it

    found = jsonschema.Draft202012Validator(schema()).iter_errors(document)
    return sorted(f"{error.json_path}: {error.message}" for error in found)


if __name__ == "__main__":
    print(printed(), end="")
