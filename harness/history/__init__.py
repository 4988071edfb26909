"""The store of past runs: verdicts, rates and durations over time, and what is worth naming in them."""

from harness.history.line import Home, home
from harness.history.moved import WINDOW, Notable, chance, notable
from harness.history.series import ArmNight, Night, Series, told_params
from harness.history.store import History, opened

__all__ = [
    "WINDOW",
    "ArmNight",
    "History",
    "Home",
    "Night",
    "Notable",
    "Series",
    "chance",
    "home",
    "notable",
    "opened",
    "told_params",
]
