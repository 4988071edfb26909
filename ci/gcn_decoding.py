"""Holds the reading of instructions against LLVM's: each is assembled, disassembled, and read again.

It takes the machine code that Triton compiled for the tests' kernels, and needs `llvm-mc` of LLVM 22.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ci import gcn_miscompiles
from harness.errors import Unsupported
from harness.gcn import assembly
from harness.gcn.assembly import Assembly, Instruction
from harness.gcn.operands import parse

CHIPS = ("gfx942", "gfx950")


def kernels(chip: str) -> Iterator[Assembly]:
    """The code of the kernels that ci/gcn_miscompiles.py harms."""
    for subject in gcn_miscompiles.subjects():
        yield gcn_miscompiles.compiled(subject, chip).assembly


def round_trip(llvm_mc: str, chip: str, lines: Sequence[str]) -> list[str]:
    """The same instructions as LLVM writes them, once it has encoded and decoded each."""
    own = [llvm_mc, "-triple=amdgcn-amd-amdhsa", f"-mcpu={chip}"]
    encoded = _run([*own, "-show-encoding"], "\n".join(lines))
    octets = [found[1] for line in encoded.splitlines() if (found := re.search(r"encoding: \[(.*?)\]", line))]
    if len(octets) != len(lines):
        raise SystemExit(f"{len(lines)} instructions, {len(octets)} encoded")
    decoded = _run([*own, "-disassemble"], "\n".join(octets)).splitlines()
    texts = (line.split("//")[0].strip() for line in decoded)
    return [text for text in texts if text and not text.startswith(".")]


def _run(command: Sequence[str], text: str) -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def facts(one: Instruction) -> tuple[object, ...]:
    """What the emulator takes of an instruction, with numbers as numbers."""
    return one.opcode, tuple(map(_operand, one.operands)), _numbers(one.modifiers), one.flags


def _operand(text: str) -> object:
    try:
        found = parse(text)
    except Unsupported:
        return text
    return int(text, 0) & 0xFFFFFFFF if found.kind == "const" and "." not in text else found


def _numbers(modifiers: Mapping[str, str]) -> dict[str, object]:
    number = re.compile(r"-?(0x[0-9a-f]+|[0-9]+)")
    return {name: int(text, 0) if number.fullmatch(text) else text for name, text in modifiers.items()}


def compare(llvm_mc: str, chip: str, kernel: Assembly) -> tuple[int, list[str]]:
    """How many instructions of a kernel were compared, and those that were read in two ways."""
    own = [one for one in kernel.instructions if not one.opcode.startswith(("s_branch", "s_cbranch"))]
    others = round_trip(llvm_mc, chip, [one.text for one in own])
    pairs = zip(own, map(assembly.instruction, others), strict=True)
    return len(own), [f"{one.text}  |  {two.text}" for one, two in pairs if facts(one) != facts(two)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llvm-mc", default="llvm-mc", help="of LLVM 22")
    options = parser.parse_args()
    failed = 0
    for chip in CHIPS:
        count, apart = 0, dict[str, None]()
        for kernel in kernels(chip):
            number, found = compare(options.llvm_mc, chip, kernel)
            count += number
            apart |= dict.fromkeys(found)
        print(f"{chip}: {count} instructions compared, {len(apart)} read in two ways")
        for line in list(apart)[:20]:
            print(f"  {line}")
        failed += len(apart)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
