"""Tells the errors after which nothing more can be asked of a device in this process."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import DeviceGone

FATAL = (
    *("an illegal memory access was encountered", "device-side assert triggered", "misaligned address"),
    *("unspecified launch failure", "an illegal instruction was encountered", "hardware stack error"),
    *("invalid program counter", "operation not supported on global/shared address space"),
)
"""Errors that leave a CUDA context unusable, in the driver's words (CUDA Driver API manual, "CUresult")."""


def what(error: BaseException | None) -> str | None:
    """The fatal error in the driver's words, if this error or what led to it is one."""
    said = (_words(cause) for cause in _chain(error))
    return next((words for words in said if words), None)


def _words(error: BaseException) -> str | None:
    if isinstance(error, DeviceGone):
        return error.what
    is_driver = isinstance(error, RuntimeError)  # torch's own and Triton's errors are such
    return next((words for words in FATAL if words in str(error)), None) if is_driver else None


def guilty(error: BaseException | None) -> str | None:
    """The kernel that was running, as far as that is known."""
    return next((cause.kernel for cause in _chain(error) if isinstance(cause, DeviceGone)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
