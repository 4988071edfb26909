"""What of a wheel a target does not need, and how it is left out or blanked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from mmap import mmap
from pathlib import Path

from ci.kit import fatbin
from harness.errors import BadInput

FLASH_OPS = "sgl_kernel/flash_ops.abi3.so"
"""FlashAttention-3, most of the size of sglang-kernel: it travels in a wheel of its own."""
_KERNEL = "sglang-kernel"

Edit = Callable[[Path], object]
"""Changes one file of a wheel in place."""


@dataclass(frozen=True, kw_only=True)
class Slimming:
    """The files of a wheel that stay out (glob patterns), and who edits which of the others."""

    leave_out: tuple[str, ...] = ()
    edits: tuple[tuple[str, Edit], ...] = ()

    def keeps(self, name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in self.leave_out)

    def edit(self, name: str) -> Edit | None:
        return next((edit for pattern, edit in self.edits if fnmatch(name, pattern)), None)


def slimming(distribution: str, chip: int) -> Slimming | None:
    """How a distribution's wheel is made smaller for one chip; None where it travels as it is."""
    if distribution == _KERNEL:
        return _kernels(chip)
    return _RULES.get(distribution)


def _kernels(chip: int) -> Slimming:
    # Upstream loads one of two variants by the chip; FlashMLA is imported in a try block and serves
    # models with latent attention alone.
    variants = [f"sgl_kernel/{name}/*" for name in ("sm90", "sm100") if name != f"sm{chip}"]
    return Slimming(
        leave_out=(*variants, FLASH_OPS, "sgl_kernel/flashmla_ops.abi3.so", "sgl_kernel/testing/*"),
        edits=(("*.so", blanking(lambda piece, names: piece.chip == chip)),),
    )


def blanking(wanted: fatbin.Wanted) -> Edit:
    """An edit that blanks all GPU code but what is wanted. BadInput where nothing would be left of it."""

    def edit(file: Path) -> None:
        with file.open("r+b") as opened, mmap(opened.fileno(), 0) as image:
            kept = fatbin.blank(image, wanted)
        if kept.blanked_pieces and not kept.pieces:
            raise BadInput(f"{file.name} holds no GPU code that is wanted: its names may have changed")

    return edit


def strip(file: Path) -> None:
    """Drop a library's debugging sections. BadInput where binutils are missing or refuse it."""
    try:
        subprocess.run(["strip", "--strip-debug", str(file)], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise BadInput("strip is missing, which makes libraries smaller: install binutils") from None
    except subprocess.CalledProcessError as error:
        raise BadInput(f"{file.name} cannot be stripped: {error.stderr.strip()}") from error


_RULES = {
    "xgrammar": Slimming(leave_out=("*.a",), edits=(("*.so", strip),)),
    "zstandard": Slimming(edits=(("*.so", strip),)),
}
