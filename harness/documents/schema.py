"""The published schema of the JSON document; `python -m harness.documents` prints it.

It is built from the verdicts and fault kinds themselves, so that it cannot lag behind them;
docs/result.schema.json is its printed form, and a test compares the two.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from harness.documents.seal import FORMAT
from harness.facts import Tier
from harness.schema.parts import (
    ANYTHING,
    LINE,
    SECONDS,
    SHA256,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    Schema,
    closed,
    either,
    event,
    fault,
    listed,
)
from harness.verdict import EvidenceClass, Verdict

_NUMBER_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_RUN: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_ENDINGS = ["clean", "exception", "crash", "time-out", "out-of-memory", "lost"]


def _attestation() -> Schema:
    module = closed({"name": TEXT, "path": TEXT, "sha256": SHA256})
    words = {"entered": listed(TEXT), "patches": listed(TEXT)}
    own = {"tree": TEXT, "root": TEXT, "modules": listed(module), **words}
    one: Schema = {"$ref": "#/$defs/attestation"}
    return closed(own, {"processes": {"type": "object", "additionalProperties": one}})


def _point() -> dict[str, Schema]:
    one: Schema = {"$ref": "#/$defs/fault"}
    return {
        "outcome": {"enum": ["clean", "fault"]},
        "faults": listed(one),
        "findings": listed(one),
        "results": ANYTHING,
        "compared": ANYTHING,
        "notes": listed(TEXT),
        "trace": listed(event()),
        "digest": SHA256,
    }


def _arm() -> Schema:
    told = {"code": {"type": "integer"}, "signal": TEXT, "message": TEXT}
    ending = closed({"how": {"enum": _ENDINGS}}, told)
    own: dict[str, Schema] = {
        "exit": ending,
        "attestation": {"anyOf": [{"$ref": "#/$defs/attestation"}, {"type": "null"}]},
        "unresolved": TEXT_OR_NULL,
        "seconds": SECONDS,
        "log": TEXT_OR_NULL,
        "points": listed(closed({"params": ANYTHING, **_point()}, {"either": either()})),
    }
    return closed({**_point(), **own}, {"unsupported": TEXT, "either": either()})


def _result() -> Schema:
    # null: one arm alone was asked for, and nothing spoke against it.
    verdict: Schema = {"enum": [*(verdict.value for verdict in Verdict), None]}
    arm: Schema = {"$ref": "#/$defs/arm"}
    arms = closed({}, {"fixed": arm, "reverted": arm, "interpreted": arm})
    return closed(
        {
            "reproducer": TEXT, "pr": _NUMBER_OR_NULL, "issue": _NUMBER_OR_NULL,
            "tier": {"enum": [tier.value for tier in Tier]}, "platform": TEXT, "params": ANYTHING,
            "verdict": verdict, "evidence": {"enum": [one.value for one in EvidenceClass]}, "reason": LINE,
            "drift": listed(LINE), "seconds": SECONDS, "arms": arms,
        },
        {
            "configuration": {"const": True}, "released": TEXT, "retired": _retired(),
            "rates": closed({}, {"fixed": _rate(), "reverted": _rate()}),
            "disagreement": _disagreement(),
        },
    )  # fmt: skip


def _retired() -> Schema:
    """Where both arms ran since upstream has rewritten the code of the bug away."""
    return closed(
        {"since": TEXT, "on": TEXT, "reason": LINE}, {"tier": {"enum": [tier.value for tier in Tier]}}
    )


def _disagreement() -> Schema:
    """The first difference between emulated machine code and its interpreter, and the lane that stored it."""
    program: Schema = {**listed(_COUNT), "minItems": 3, "maxItems": 3}
    words = {"kernel": TEXT, "opcode": TEXT, "line": TEXT}
    store = closed({**words, "lane": _COUNT, "wave": _COUNT, "program": program})
    element = closed(
        {"element": _COUNT, "apart": _COUNT, "seen": TEXT, "interpreted": TEXT, "store": _or_null(store)}
    )
    launch: Schema = {"type": ["integer", "null"], "minimum": 0}
    named = {"kernel": TEXT_OR_NULL, "launch": launch, "argument": TEXT_OR_NULL}
    return closed({"params": ANYTHING, "text": LINE, **named, "element": _or_null(element)})


def _or_null(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "null"}]}


def _rate() -> Schema:
    """How many of the runs of one arm faulted, and the bounds of Wilson's 95 % interval."""
    return closed({"faults": _COUNT, "runs": _COUNT, "low": _SHARE, "high": _SHARE})


@cache
def schema() -> Schema:
    """The JSON schema (draft 2020-12) of the document."""
    place = dict.fromkeys(("root", "branch"), TEXT)
    tree = closed({"version": TEXT_OR_NULL, "origin": TEXT, "tree": SHA256}, place, more=True)
    machine = closed(
        {"platform": TEXT, "features": listed(TEXT)}, {"hardware": TEXT, "gpus": _COUNT}, more=True
    )
    identity: dict[str, Schema] = {"format": {"const": FORMAT}, "run": _RUN, "digest": SHA256}
    about = {"refault": TEXT, "at": TIME, "sglang": tree, "machine": machine}
    parts = {"fault": fault(), "attestation": _attestation(), "arm": _arm()}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Refault's results"}
    partial = {"partial": closed({"ended_by": TEXT, "wanted": _COUNT})}
    whole = closed({**identity, **about, "results": listed(_result())}, partial)
    return {**head, **whole, "$defs": parts}


def printed() -> str:
    """The schema as docs/result.schema.json has it."""
    return json.dumps(schema(), indent=2) + "\n"


def validate(document: Any) -> list[str]:
    """Where a document departs from the schema, one line each. Needs the package jsonschema."""
    import jsonschema  # only tests need it: a run must not depend on it

    found = jsonschema.Draft202012Validator(schema()).iter_errors(document)
    return sorted(f"{error.json_path}: {error.message}" for error in found)
