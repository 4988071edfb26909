"""What the page shows of one result: worded and chosen here, a part of the page a module.

Templates only lay out.
"""

from harness.report.html.view.result import Background, ResultView, view

__all__ = ["Background", "ResultView", "view"]
