"""Stand-ins know what they were given, and name themselves when asked for more."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.errors import StandInMisused, Unresolved
from harness.host.stand_ins import StandIn


def test_it_knows_what_it_was_given() -> None:
    runner: Any = StandIn("model_runner", page_size=16, get_size=lambda: 3)
    assert runner.page_size == 16 and runner.get_size() == 3
    runner.page_size = 8
    assert runner.page_size == 8 and repr(runner) == "<stand-in model_runner>"


def test_anything_else_raises_and_names_both() -> None:
    with pytest.raises(StandInMisused, match="the model_runner stand-in was asked for 'device'"):
        _ = StandIn("model_runner", page_size=16).device
    assert issubclass(StandInMisused, Unresolved)


def test_upstream_may_probe_it() -> None:
    runner = StandIn("model_runner", page_size=16)
    assert hasattr(runner, "page_size") and not hasattr(runner, "device")
    assert getattr(runner, "device", "cpu") == "cpu"
    assert copy.copy(runner).page_size == 16
