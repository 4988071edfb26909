"""How a source travels between lanes or within its word: DPP and SDWA (CDNA3 ISA, 6.5, 6.6, 12.16)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.wave import LANES, Mask, Wave, Words

_LANE = np.arange(LANES)
_ROW, _IN_ROW = _LANE // 16, _LANE % 16
_NOWHERE = -1
Indices = npt.NDArray[np.int64]
DPP_MODIFIERS = frozenset(
    {"quad_perm", "row_shl", "row_shr", "row_ror", "row_bcast", "row_newbcast"}
    | {"wave_shl", "wave_rol", "wave_shr", "wave_ror", "row_mask", "bank_mask", "bound_ctrl"}
)
DPP_FLAGS = frozenset({"row_mirror", "row_half_mirror"})
SDWA_MODIFIERS = frozenset({"dst_sel", "dst_unused", "src0_sel", "src1_sel"})


@dataclass(frozen=True)
class Movement:
    """Where each lane takes its source from; `written` are those that the row and bank masks let write."""

    source: Indices
    valid: Mask
    written: Mask
    zeros: bool
    _side_by_side: dict[int, tuple[Indices, Mask, Mask]] = field(default_factory=dict, compare=False)

    def _of_waves(self, wave: Wave) -> tuple[Indices, Mask, Mask]:
        """The same for each wave side by side, made once for each number of them."""
        if (found := self._side_by_side.get(wave.size)) is None:
            source = np.tile(self.source, wave.size) + wave.base
            found = source, np.tile(self.valid, wave.size), np.tile(self.written, wave.size)
            self._side_by_side[wave.size] = found
        return found

    def take(self, wave: Wave, bits: Words) -> tuple[Words, Mask | None]:
        """The moved source, and which lanes may write; all of them are read before any is written.

        A lane without a source, or whose source is switched off, reads 0 or does not write.
        """
        source, valid, written = self._of_waves(wave)
        if not wave.full:
            valid = valid & wave.mask[source]
        moved = bits[source]
        if self.zeros:
            moved[~valid] = 0
            return moved, written
        return moved, written & valid


def movement(instruction: Instruction) -> Movement:
    """What the DPP modifiers of an instruction say."""
    modifiers = instruction.modifiers
    source = _source(instruction)
    rows, banks = (int(modifiers.get(name, "0xf"), 0) for name in ("row_mask", "bank_mask"))
    written = (rows >> _ROW & 1).astype(bool) & (banks >> (_IN_ROW // 4) & 1).astype(bool)
    # Assemblers up to LLVM 12 wrote the set bit as bound_ctrl:0, later ones write it as bound_ctrl:1.
    return Movement(np.maximum(source, 0), source != _NOWHERE, written, "bound_ctrl" in modifiers)


def _source(instruction: Instruction) -> Indices:
    if instruction.flags & DPP_FLAGS:
        mirrored = 15 if "row_mirror" in instruction.flags else 7
        return _LANE ^ mirrored
    kinds = [name for name in instruction.modifiers if name in _KINDS]
    if len(kinds) != 1:
        raise Unsupported(f"{instruction.text}: its DPP control")
    return _KINDS[kinds[0]](instruction.modifiers[kinds[0]])


def _row(within: Indices) -> Indices:
    """Lanes by their place within their own row; places outside of it are nowhere."""
    return np.where((within >= 0) & (within < 16), _ROW * 16 + within, _NOWHERE)


def _quad(value: str) -> Indices:
    order = np.array([int(n) for n in re.findall(r"\d", value)])
    return np.asarray(_LANE // 4 * 4 + order[_LANE % 4])


def _broadcast(value: str) -> Indices:
    if int(value) == 15:
        return np.where(_ROW > 0, _ROW * 16 - 1, _NOWHERE)
    return np.where(_LANE >= 32, 31, _NOWHERE)


def _wave(by: int, turns: bool) -> Indices:
    source = _LANE + by
    return source % LANES if turns else np.where((source >= 0) & (source < LANES), source, _NOWHERE)


_KINDS: Mapping[str, Callable[[str], Indices]] = {
    "quad_perm": _quad,
    "row_shl": lambda value: _row(_IN_ROW + int(value)),
    "row_shr": lambda value: _row(_IN_ROW - int(value)),
    "row_ror": lambda value: _row((_IN_ROW - int(value)) % 16),
    "row_bcast": _broadcast,
    "row_newbcast": lambda value: _row(np.full(LANES, int(value))),
    "wave_shl": lambda value: _wave(1, False),
    "wave_shr": lambda value: _wave(-1, False),
    "wave_rol": lambda value: _wave(1, True),
    "wave_ror": lambda value: _wave(-1, True),
}


# --- parts of a word -------------------------------------------------------------------------

_PARTS: Mapping[str, tuple[int, int]] = {
    "DWORD": (0, 32), "WORD_0": (0, 16), "WORD_1": (16, 16),
    "BYTE_0": (0, 8), "BYTE_1": (8, 8), "BYTE_2": (16, 8), "BYTE_3": (24, 8),
}  # fmt: skip


def part(name: str) -> tuple[int, int]:
    """The first bit and the number of bits of a part of a word."""
    if name not in _PARTS:
        raise Unsupported(f"the SDWA part {name}")
    return _PARTS[name]


def selected(bits: Words, shift: int, width: int, sext: bool) -> Words:
    """A part of each word, filled up with zeros or with its sign."""
    up = np.uint32(32 - shift - width)
    raised = bits << up
    down = np.uint32(32 - width)
    return (raised.view(np.int32) >> down.view(np.int32)).view(np.uint32) if sext else raised >> down


def merged(before: Words, result: Words, instruction: Instruction) -> Words:
    """What a destination becomes of which SDWA writes a part."""
    shift, width = part(instruction.modifiers["dst_sel"])
    unused = instruction.modifiers["dst_unused"]
    if width == 32:
        return result
    field = np.uint32(((1 << width) - 1) << shift)
    placed = (result << np.uint32(shift)) & field
    if unused == "UNUSED_PRESERVE":
        return before & ~field | placed
    if unused == "UNUSED_PAD":
        return placed
    if unused == "UNUSED_SEXT":
        extended = selected(placed, shift, width, True) << np.uint32(shift)
        return extended & ~np.uint32((1 << shift) - 1) & np.uint32(0xFFFFFFFF)
    raise Unsupported(f"{instruction.text}: {unused}")
