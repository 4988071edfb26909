"""The one way in which a line reaches a standard stream without rich, whose import a command may not need."""

from __future__ import annotations

import sys

from harness.foreign import visible


def tell(text: str, *, stderr: bool = False, keep: str = "") -> None:
    """Print a line in which nothing is obeyed; with a break in `keep`, it may have several."""
    print(visible(text, keep=keep), file=sys.stderr if stderr else sys.stdout, flush=True)
