"""A file as `refault matrix --json` writes it, of one bug of the toy land."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.tests.toyland.bench import bug

BUG = bug("pr101_stray_store")
BEFORE = str(BUG.bug.introduced_in)


def told(**changes: Any) -> dict[str, Any]:
    """Affected where it is declared to be fixed, on the later of two releases."""
    row = {"reproducer": BUG.id, "status": "affected", "revert": "n/a", "reason": "oob-write into table"}
    before = {**row, "release": BEFORE}
    since = {**row, "release": BUG.bug.fixed_in, "revert": "applies"}
    likeness = {"reproducer": BUG.id, "release": BUG.bug.fixed_in, "affected": BEFORE, "same": False}
    lists = {"only_named": False, "missing": ["a fault"], "added": []}
    data = {
        "refault": "0.1.0",
        "machine": {"platform": "cpu"},
        "matrix": [since, before],
        "likeness": [{**likeness, **lists}],
        "disagreements": [f"{BUG.id} {BUG.bug.fixed_in}: affected, declared fixed"],
    }
    return {**data, **changes}


def matrix_file(folder: Path, **changes: Any) -> Path:
    path = folder / "matrix.json"
    path.write_text(json.dumps(told(**changes)))
    return path
