"""The modes that see what torch dispatches, without a guard that each call of theirs would pay for."""

from __future__ import annotations

import os

from torch.utils._python_dispatch import TorchDispatchMode


class Mode(TorchDispatchMode):
    """A dispatch mode. torch keeps its compiler out of each call of one, which costs more than most modes do.

    Where the compiler is switched off, as it is for kernels, there is nothing to be kept out.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return os.environ.get("TORCHDYNAMO_DISABLE") != "1"
