"""Limits refuse what no arm could run under."""

import pytest

from harness.errors import BadInput
from harness.process.limits import Limits


@pytest.mark.parametrize(("seconds", "memory_mb"), [(0, 1), (-1.5, 1), (float("nan"), 1), (1, 0), (1, -3)])
def test_a_limit_that_leaves_nothing_is_refused(seconds: float, memory_mb: int) -> None:
    with pytest.raises(BadInput, match=r"limit of .* leaves an arm no"):
        Limits(seconds, memory_mb)


def test_small_limits_are_kept() -> None:
    assert (Limits(0.1, 1).seconds, Limits(0.1, 1).memory_mb) == (0.1, 1)
