"""A sign and a tone for each verdict; the sign tells them apart without colour."""

from __future__ import annotations

from collections.abc import Mapping

from harness.verdict import Verdict

MARKS: Mapping[Verdict | None, tuple[str, str]] = {
    Verdict.PASS: ("✓", "good"),
    Verdict.UNSUPPORTED: ("⊘", "idle"),
    Verdict.REGRESSED: ("✗", "bad"),
    Verdict.UNFIXED: ("◷", "bad"),
    Verdict.TOOTHLESS: ("○", "bad"),
    Verdict.CHANGED: ("≠", "bad"),
    Verdict.STALE: ("⌀", "bad"),
    Verdict.UNRECORDED: ("+", "bad"),
    Verdict.UNRESOLVED: ("?", "odd"),
    None: ("·", "idle"),
}
"""Sign and tone (`good`, `bad`, `odd` for what proves nothing, `idle`); None is one arm run alone."""
