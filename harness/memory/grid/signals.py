"""What ends a run of several programs at once before its end.

None of these is an `Exception`: the interpreter turns those of a nested device function into its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Programs = npt.NDArray[np.int64]
"""Linear numbers of programs of a grid, in the order in which they run one after another."""


class Signal(BaseException):
    """Ends a run of several programs at once."""


class Diverged(Signal):
    """Programs take different ways; `ways` are those that go together, the first way first."""

    def __init__(self, ways: Sequence[Programs]) -> None:
        super().__init__(f"{len(ways)} ways")
        self.ways = ways


class Crowded(Signal):
    """Arrays of this many programs are larger than what is quick to work on; `most` programs are not."""

    def __init__(self, most: int) -> None:
        super().__init__(f"at most {most} programs")
        self.most = most


class InOrder(Signal):
    """These programs have to run one after another, and (`always`) so do those of the kernel's others."""

    def __init__(self, reason: str, always: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.always = always
