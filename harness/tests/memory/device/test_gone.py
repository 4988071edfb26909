from __future__ import annotations

import pytest

from harness.errors import DeviceGone
from harness.memory.device import gone

ILLEGAL = "an illegal memory access was encountered"


@pytest.mark.parametrize("said", [f"CUDA error: {ILLEGAL}\nSearch for", f"Triton Error [CUDA]: {ILLEGAL}"])
def test_a_fatal_error_is_told_in_the_drivers_words(said: str) -> None:
    assert gone.what(RuntimeError(said)) == ILLEGAL
    assert gone.guilty(RuntimeError(said)) is None


def test_the_kernel_is_known_through_what_wraps_the_error() -> None:
    try:
        try:
            raise DeviceGone(ILLEGAL, "fill")
        except DeviceGone as error:
            raise ValueError("capture failed") from error
    except ValueError as error:
        assert (gone.what(error), gone.guilty(error)) == (ILLEGAL, "fill")


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: invalid argument"), ValueError(ILLEGAL), None, KeyError("x")]
)
def test_other_errors_leave_the_device_usable(error: BaseException | None) -> None:
    assert gone.what(error) is None
