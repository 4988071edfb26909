"""Results for people: the table of verdicts, and the evidence of each with both arms side by side."""

from harness.report.telling import tell
from harness.report.terminal.aspects import SHOWN, Row, evidence
from harness.report.terminal.drawing import console, show
from harness.report.terminal.lines import say
from harness.report.terminal.text import explain, judged, summary

__all__ = [
    "SHOWN",
    "Row",
    "console",
    "evidence",
    "explain",
    "judged",
    "say",
    "show",
    "summary",
    "tell",
    "word",
]
