"""#109: shows on machines with GPUs of two vendors only."""

from __future__ import annotations

from dataclasses import replace

from harness.facts import Bug
from harness.tests.toyland.bugs import pr104_short_indptr

REPRODUCER = replace(
    pr104_short_indptr.REPRODUCER,
    bug=Bug(pr=109, fixed_in="9.9.8", symptom="levitation"),
    requires=frozenset({"cuda", "rocm"}),
    module=__name__,
    title="#109: shows on machines with GPUs of two vendors only.",
    about=__doc__ or "",
)
