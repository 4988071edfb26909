"""Results to be shown, and what is printed of them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from harness.observation import Fault
from harness.report.terminal import console, show
from harness.tests.samples import arm, case, point, result
from harness.verdict import Evidence, Result, judge

LONG = Fault(kind="oob-write", buffer="cuda_graph_kv_indices", kernel="create_flashinfer_kv_indices_triton",
             numel=1024, first=1024, last=4095, count=3072)  # fmt: skip


def row(evidence: Evidence | None = None, **facts: Any) -> Result:
    evidence = evidence or case()
    return result(judge(evidence), evidence, **facts)


def faulty() -> Evidence:
    return case(fixed=arm("fixed", point(16, LONG), point(1)))


def printed(*rows: Result, width: int | None = None, **options: Any) -> str:
    """What `show` prints: to a pipe, or to a terminal of a given width."""
    file = io.StringIO()
    with pytest.MonkeyPatch.context() as environment:
        if width:
            environment.setenv("FORCE_COLOR", "1")
            environment.setenv("COLUMNS", str(width))
        show(rows, console(file), **options)
    return file.getvalue()
