"""The modes that see what torch dispatches, without a guard that each call of theirs would pay for."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack


class Mode(TorchDispatchMode):
    """A dispatch mode. torch keeps its compiler out of each call of one, which costs more than most modes do.

    Where the compiler is switched off, as it is for kernels, there is nothing to be kept out.
    """

    heeds_oracle = True
    """Whether what the oracle itself asks torch for is of any concern to it."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return os.environ.get("TORCHDYNAMO_DISABLE") != "1"


def unheeded() -> AbstractContextManager[None]:
    """Work of the oracle's own, of which no mode is told, unless one that is in force heeds it."""
    in_force = _get_current_dispatch_mode_stack()
    quiet = all(isinstance(mode, Mode) and not mode.heeds_oracle for mode in in_force)
    return no_dispatch() if quiet else nullcontext()
