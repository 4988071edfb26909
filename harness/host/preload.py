"""Importing this makes a process ready to import upstream's third-party dependencies."""

from __future__ import annotations

import torch

from harness.host import torchvision_ops

# One thread: an OpenMP pool made before a fork would be lost in the child, and sums that
# always run in the same order keep results alike.
torch.set_num_threads(1)

TORCHVISION = torchvision_ops.declare()
PATCHES = (torchvision_ops.PATCH,) if TORCHVISION else ()
