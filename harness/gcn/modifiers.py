"""Which modifiers and flags of an instruction its execution heeds; any other is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.permute import DPP_FLAGS, DPP_MODIFIERS, SDWA_MODIFIERS

_ENCODED: Mapping[str, frozenset[str]] = {"dpp": DPP_MODIFIERS, "sdwa": SDWA_MODIFIERS}


def admit(
    instruction: Instruction, modifiers: Iterable[str] = (), flags: Iterable[str] = (), encoded: bool = False
) -> None:
    """Raise Unsupported, naming it, for whatever an instruction says that its execution would not heed."""
    known = {*modifiers, *(_ENCODED.get(instruction.encoding, ()) if encoded else ())}
    known_flags = {*flags, *(DPP_FLAGS if encoded and instruction.encoding == "dpp" else ())}
    strange = [*sorted(set(instruction.modifiers) - known), *sorted(instruction.flags - known_flags)]
    if strange or (instruction.encoding in _ENCODED and not encoded):
        named = ", ".join(strange) or instruction.encoding
        raise Unsupported(f"{instruction.opcode} with {named}")
