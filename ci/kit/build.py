"""Builds an offline kit: choose, fetch, slim, pack."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.kit import inert, own, parts, repack, slim
from ci.kit.choose import Choice, choose
from ci.kit.fa3 import Needs
from ci.kit.fetch import DAMAGES, Store
from ci.kit.parts import Kit
from ci.kit.pins import Installed, Pins
from ci.kit.target import Target
from harness import __version__
from harness.errors import BadInput
from harness.foreign import cause, shown

_CHECKOUT = Path(__file__).parents[2]
_KERNEL = "sglang-kernel"
_INERT, _FA3 = "refault_kit_stand_ins", "refault_kit_flash_ops"
FA3_WHOLE, FA3_NONE = "whole", "none"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What kit is wanted. `fa3` says which of its kernels go in: a model's needs, "whole" or "none"."""

    target: Target
    sglang: str
    pins: Pins
    there: Installed
    part_size: int
    fa3: Needs | str
    to: Path


def build(
    order: Order, wheels: Path, progress: Callable[[str], None] = lambda what: None
) -> tuple[Kit, Choice]:
    """Build a kit into the folder `order.to`, which must be new or empty; wheels are kept in `wheels`.

    Raises BadInput where the folder is in use, or where a wheel cannot be had.
    """
    _empty(order.to)
    store = Store(wheels / f"cp{order.target.python.replace('.', '')}", order.target, progress)
    progress("choosing: every package is asked what it needs")
    choice = choose(order.sglang, order.pins, order.there, store.requires)
    with tempfile.TemporaryDirectory(dir=order.to) as scratch:
        groups = _groups(order, choice, store, Path(scratch), progress)
        return parts.pack(groups, order.to, order.part_size, _about(order, choice), progress), choice


def _empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadInput(f"{folder} is not empty: name a new folder")
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error.strerror}): name another folder") from error


def _groups(
    order: Order, choice: Choice, store: Store, to: Path, progress: Callable[[str], None]
) -> Sequence[Sequence[Path]]:
    """The wheels as they travel: FA3, which not every run needs, comes last and apart."""
    base = [own.wheel(_CHECKOUT, __version__, to)]
    for number, (name, version) in enumerate(choice.carried.items(), 1):
        progress(f"{number} of {len(choice.carried)}: {name} {version}")
        wheel = store.get(name, version)
        base.append(_repacked(wheel, to, slim.slimming(name, order.target.chip)))
    if stand_ins := inert.files(order.there):
        base.append(repack.made(_INERT, __version__, stand_ins, to))
    kernel = store.get(_KERNEL, choice.carried[_KERNEL])
    return [base, *_flash_ops(order.fa3, kernel, to, progress)]


def _repacked(wheel: Path, to: Path, slimming: slim.Slimming | None) -> Path:
    try:
        return repack.repack(wheel, to, slimming)
    except DAMAGES as error:
        problem = f"{shown(wheel)} cannot be repacked ({cause(error)})"
        raise BadInput(f"{problem}: see that the disk has room, or delete it and run again") from error


def _flash_ops(
    fa3: Needs | str, kernel: Path, to: Path, progress: Callable[[str], None]
) -> Sequence[Sequence[Path]]:
    if fa3 == FA3_NONE:
        return []
    progress("FlashAttention-3")
    edit = slim.blanking(fa3.wants) if isinstance(fa3, Needs) else None
    return [[repack.excerpt(kernel, slim.FLASH_OPS, _FA3, to, edit)]]


def _about(order: Order, choice: Choice) -> dict[str, Any]:
    fa3 = order.fa3 if isinstance(order.fa3, str) else f"head size {order.fa3.head_size}, {order.fa3.dtype}"
    return {
        "refault": __version__,
        "python": order.target.python,
        "sglang": order.sglang,
        "arch": f"sm{order.target.chip}",
        "fa3": fa3,
        "environment": inert.environment(order.there),
        "notes": list(choice.notes),
    }
