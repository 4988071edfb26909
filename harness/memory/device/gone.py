"""Tells the errors after which nothing more can be asked of a device in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.errors import DeviceGone

FATAL = (
    *("an illegal memory access was encountered", "device-side assert triggered", "misaligned address"),
    *("unspecified launch failure", "an illegal instruction was encountered", "hardware stack error"),
    *("invalid program counter", "operation not supported on global/shared address space"),
)
"""Errors that leave a CUDA context unusable, in the driver's words (CUDA Driver API manual, "CUresult")."""

_CODES = {
    "IllegalAddress": FATAL[0],
    "ILLEGAL_ADDRESS": FATAL[0],
    "ErrorAssert": FATAL[1],
    "ERROR_ASSERT": FATAL[1],
    "MisalignedAddress": FATAL[2],
    "MISALIGNED_ADDRESS": FATAL[2],
    "LaunchFailure": FATAL[3],
    "LAUNCH_FAILED": FATAL[3],
    "IllegalInstruction": FATAL[4],
    "ILLEGAL_INSTRUCTION": FATAL[4],
}
"""By the ends of their names, as the driver, CUDA's runtime and HIP's spell them."""


@dataclass
class Context:
    """The context of this process on a device, asked by Refault alone.

    `lost` is what ended it, in the driver's words, once one of these questions met that. From then on none is
    asked any more: it would be one more error of the process, and ours. The code under test meets the end by
    itself.
    """

    lost: str | None = None

    def ask(self, call: Callable[[], object]) -> bool:
        """Whether the call was made and the context survived it. Other errors than its end are raised."""
        if self.lost is not None:
            return False
        try:
            call()
        except RuntimeError as error:
            self.lost = what(error)
            if self.lost is None:
                raise
        return self.lost is None


def what(error: BaseException | None) -> str | None:
    """The fatal error in the driver's words, if this error or what led to it is one."""
    said = (_of(cause) for cause in _chain(error))
    return next((words for words in said if words), None)


def words(text: str) -> str | None:
    """The fatal error that a text tells of, in the driver's words, whichever call met it."""
    plain = next((words for words in FATAL if words in text), None)
    return plain or next((words for code, words in _CODES.items() if code in text), None)


def _of(error: BaseException) -> str | None:
    if isinstance(error, DeviceGone):
        return error.what
    return words(str(error)) if isinstance(error, RuntimeError) else None  # as torch's and Triton's are


def guilty(error: BaseException | None) -> str | None:
    """The kernel that was running, as far as that is known."""
    return next((cause.kernel for cause in _chain(error) if isinstance(cause, DeviceGone)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
