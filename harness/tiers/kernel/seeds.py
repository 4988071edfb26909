"""Random numbers that are the same at a point whatever ran before it.

A fork starts with its parent's generators as they are, and every point moves them on: left alone, what
a case draws would depend on what the fork server had imported and on the points before.
"""

from __future__ import annotations

import random

import numpy as np
import torch

SEED = 0


def reset(device: str) -> None:
    """Set the generators of Python, numpy and torch back to the same start.

    torch has one for every device that the case may run on. On a CPU it is one alone: torch would keep
    each seed for devices that may come, with the text of the stack that it was asked from.
    """
    random.seed(SEED)
    np.random.seed(SEED)
    if device == "cpu":
        torch.default_generator.manual_seed(SEED)
    else:
        torch.manual_seed(SEED)
