"""Libraries with GPU code in nvcc's container, made up for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import zstandard

Piece = tuple[int, bytes]
"""A chip and a payload."""


def container(pieces: Sequence[Piece]) -> bytes:
    """A container: header of 16 bytes, then pieces with headers of 64."""
    body = b"".join(_piece(chip, payload) for chip, payload in pieces)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def _piece(chip: int, payload: bytes) -> bytes:
    header = bytearray(64)
    struct.pack_into("<HHIQ", header, 0, 2, 0x101, 64, len(payload))
    struct.pack_into("<I", header, 28, chip)
    return bytes(header) + payload


def library(*containers: Sequence[Piece]) -> bytes:
    """Host code around containers."""
    return b"\x7fELF host code" + b"more host code".join(map(container, containers)) + b"the end"


def code(*names: str, packed: bool = False) -> bytes:
    """A payload that holds kernels of these mangled names."""
    plain = b"\x00".join(b".text." + name.encode() for name in names) + b"\x00machine code"
    return zstandard.compress(plain) + bytes(8) if packed else plain
