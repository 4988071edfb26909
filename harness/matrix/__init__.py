"""Reproducers times releases: where each bug is, and whether undoing its fix brings it back."""

from harness.matrix.agreement import disagreements, exit_code
from harness.matrix.cells import Applies, Cell, Status, declared, settled
from harness.matrix.likeness import Likeness, likenesses
from harness.matrix.measuring import OLDEST, published, run

__all__ = [
    "OLDEST",
    "Applies",
    "Cell",
    "Likeness",
    "Status",
    "declared",
    "disagreements",
    "exit_code",
    "likenesses",
    "published",
    "run",
    "settled",
]
