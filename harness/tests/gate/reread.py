"""Judges a toy's result again, as it comes back from its document."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from harness import documents
from harness.facts import Subject
from harness.gate.again import Measure
from harness.machine import this_machine
from harness.report.json import document
from harness.suite import Judged
from harness.tests.toyland.bench import Bench
from harness.verdict import Result


def read_back(result: Result) -> Result:
    """A result as its document brings it back."""
    tree = {"version": None, "origin": "path", "tree": "0" * 64}
    told = json.loads(json.dumps(document([result], this_machine().to_json(), tree)))
    (found,) = documents.parse(told).results
    return found


def problem(on: Bench, judged: Judged, subject: Subject, **facts: Any) -> str | None:
    """What speaks against a result, with some facts changed, by a bench's tree and goldens."""
    measure = Measure(known=(subject,), setting=on.setting)
    return measure.problem(read_back(replace(judged.result, **facts)), this_machine().to_json())
