"""Random numbers that are the same at a point whatever ran before it.

A fork starts with its parent's generators as they are, and every point moves them on: left alone, what
a case draws would depend on what the fork server had imported and on the points before.
"""

from __future__ import annotations

import random

import numpy as np
import torch

SEED = 0


def reset() -> None:
    """Set the generators of Python, numpy and torch (every device's) back to the same start."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
