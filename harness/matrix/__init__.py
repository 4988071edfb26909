"""Reproducers times releases: where each bug is, and whether undoing its fix brings it back."""

from harness.matrix.agreement import declared, disagreements, exit_code
from harness.matrix.cells import Applies, Cell, Status, settled
from harness.matrix.likeness import Likeness, likenesses
from harness.matrix.measuring import OLDEST, Bench, published, run

__all__ = [
    "OLDEST",
    "Applies",
    "Bench",
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
