"""The report as one self-contained HTML file."""

from __future__ import annotations

from harness.report.html.logs import Logs
from harness.report.html.page import Sources, render

__all__ = ["Logs", "Sources", "render"]
