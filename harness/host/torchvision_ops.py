"""Lets torchvision's Python part import where its compiled operators cannot be loaded.

torchvision registers meta kernels for operators that its C++ library defines; without that
library the registration fails. Declaring the operators' schemas is enough to import, and a
call of one still fails, since no kernel is behind it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

PATCH = "torch.library: schemas of torchvision::nms and torchvision::qnms"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # nothing to make importable
    try:
        torch.ops.load_library(str(Path(spec.origin).with_name("_C.so")))
    except OSError:
        return False
    return True


def declare() -> torch.library.Library | None:
    """Declare the schemas if the operators are missing; keep what is returned alive."""
    if _loads():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)
    return library
