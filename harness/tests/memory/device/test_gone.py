from __future__ import annotations

from typing import NoReturn

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


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("CUDA error: an illegal memory access was encountered", ILLEGAL),
        ("Triton Error [CUDA]: an illegal memory access was encountered", ILLEGAL),
        ("CUDA driver error: CUDA_ERROR_ILLEGAL_ADDRESS", ILLEGAL),
        ("[HIP error](hipErrorIllegalAddress)", ILLEGAL),
        ("cudaErrorAssert", "device-side assert triggered"),
        ("cudaErrorLaunchFailure", "unspecified launch failure"),
        ("CUDA error: out of memory", None),
    ],
)
def test_every_spelling_of_an_error_has_the_same_words(said: str, words: str | None) -> None:
    assert gone.words(said) == words


def _meet() -> NoReturn:
    raise RuntimeError(f"Triton Error [CUDA]: {ILLEGAL}")


def test_a_context_that_is_gone_is_asked_no_more() -> None:
    asked: list[int] = []
    context = gone.Context()
    assert context.ask(lambda: asked.append(1)) and context.lost is None
    assert not context.ask(_meet) and context.lost == ILLEGAL
    assert not context.ask(lambda: asked.append(2)) and asked == [1]


def test_an_error_that_leaves_the_context_usable_is_raised() -> None:
    context = gone.Context()
    with pytest.raises(RuntimeError, match="invalid argument"):
        context.ask(lambda: (_ for _ in ()).throw(RuntimeError("CUDA error: invalid argument")))
    assert context.lost is None
