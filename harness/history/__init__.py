"""The store of past runs: verdicts, rates and durations over time, and what is worth naming in them."""

from harness.history.moved import WINDOW, Notable, chance, notable
from harness.history.rows import track
from harness.history.series import ArmNight, Night, Series, told_params
from harness.history.store import History, opened

__all__ = [
    "WINDOW",
    "ArmNight",
    "History",
    "Night",
    "Notable",
    "Series",
    "chance",
    "notable",
    "opened",
    "told_params",
    "track",
]
