"""The GPU code inside a shared library: which chip and kernels each piece is for, and how to blank it."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap

from harness.errors import BadInput

Image = bytearray | mmap
Wanted = Callable[["Piece", Callable[[], tuple[str, ...]]], bool]
"""Whether to keep a piece; the names of its kernels cost a decompression, and are made when asked for."""

# nvcc's fatbin container, as `cuobjdump` reads it: a header (magic, version, header size as u16 at 6,
# size of what follows as u64 at 8), then pieces, each with a header of its own (header size as u32 at
# 4, payload size as u64 at 8, chip as u32 at 28).
_CONTAINER = struct.pack("<I", 0xBA55ED50)
_ZSTD = b"\x28\xb5\x2f\xfd"
_SECTION = re.compile(rb"\.text\.([\w$]+)")


@dataclass(frozen=True)
class Piece:
    """One piece of GPU code: where its payload lies in the image, and the chip (90 for sm_90)."""

    start: int
    size: int
    chip: int

    def payload(self, image: Image) -> bytes:
        return bytes(image[self.start : self.start + self.size])


@dataclass(frozen=True)
class Kept:
    """Pieces and bytes that were kept and that were blanked."""

    pieces: int
    size: int
    blanked_pieces: int
    blanked_size: int


def pieces(image: Image) -> Iterator[Piece]:
    """Every piece in every container of the image. BadInput for a container that is cut."""
    at = image.find(_CONTAINER)
    while at != -1:
        header, size = struct.unpack_from("<H", image, at + 6)[0], struct.unpack_from("<Q", image, at + 8)[0]
        end = at + header + size
        if header < 16 or end > len(image):
            raise BadInput(f"the GPU code at byte {at} is cut: fetch the library again")
        yield from _in_container(image, at + header, end)
        at = image.find(_CONTAINER, end)


def _in_container(image: Image, at: int, end: int) -> Iterator[Piece]:
    while at < end:
        (header,) = struct.unpack_from("<I", image, at + 4)
        (size,) = struct.unpack_from("<Q", image, at + 8)
        (chip,) = struct.unpack_from("<I", image, at + 28)
        if header < 32 or at + header + size > end:
            raise BadInput(f"the piece of GPU code at byte {at} is cut: fetch the library again")
        yield Piece(at + header, size, chip)
        at += header + size


def kernels(payload: bytes) -> tuple[str, ...]:
    """The demangled names of the kernels in a payload. BadInput where a tool to read it is missing."""
    mangled = sorted({name.decode() for name in _SECTION.findall(_plain(payload))})
    if not mangled:
        return ()
    try:
        done = subprocess.run(
            ["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise BadInput("c++filt is missing, which reads kernel names: install binutils") from None
    return tuple(done.stdout.splitlines())


def _plain(payload: bytes) -> bytes:
    if not payload.startswith(_ZSTD):
        return payload
    try:
        import zstandard
    except ImportError:
        raise BadInput("the package zstandard is missing, which reads GPU code: install it") from None
    return zstandard.ZstdDecompressor().decompressobj().decompress(payload)


def blank(image: Image, wanted: Wanted) -> Kept:
    """Zero the payload of every piece that is not wanted, in place; headers and sizes stay.

    A kernel of a blanked piece cannot be loaded any more: its launch is an error, not a wrong result.
    """
    kept, gone = [], []
    for piece in list(pieces(image)):
        payload = piece.payload(image)
        if wanted(piece, lambda payload=payload: kernels(payload)):  # type: ignore[misc]
            kept.append(piece.size)
        else:
            gone.append(piece.size)
            image[piece.start : piece.start + piece.size] = bytes(piece.size)
    return Kept(len(kept), sum(kept), len(gone), sum(gone))
