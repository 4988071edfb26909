"""Messages on an arm's stream: whole, in order, and tagged with a key that its two ends alone were given.

The key is the first thing on the stream, and the arm takes it before it runs anything else. What others write
to the arm's descriptor has no right tag.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from harness import foreign
from harness.errors import Forged

KEY = 32
"""Bytes of the key, and of a tag."""
LARGEST = 256 << 20
"""Bytes of one message: the largest trace of a point has some 2 MiB."""
_LENGTH = struct.Struct("!I")

TO_SUPERVISOR, TO_ARM = b"A", b"S"
"""Which way a message goes: nobody can send one back to where it came from."""

Message = Mapping[str, Any]


def new_key() -> bytes:
    """A key that nobody has."""
    return secrets.token_bytes(KEY)


def tag(key: bytes, way: bytes, number: int, body: bytes) -> bytes:
    """What proves that this is message `number` of its way, from somebody with the key."""
    return hmac.digest(key, way + number.to_bytes(8, "big") + body, "sha256")


def packed(key: bytes, way: bytes, number: int, message: Message) -> bytes:
    """A message as it goes over the stream. Raises TypeError or ValueError for what is no JSON."""
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + tag(key, way, number, body) + body


class Unpacker:
    """Takes the stream's bytes as they come, and gives its messages."""

    def __init__(self, key: bytes, way: bytes) -> None:
        self._key, self._way = key, way
        self._number = 0
        self._waiting = bytearray()
        self._history = hashlib.sha256()
        self.before = self._history.hexdigest()
        """Of all that came before the last message, as the other end has it, too."""

    @property
    def missing(self) -> int:
        """How many bytes are sure to come before the next message is whole."""
        head = _LENGTH.size + KEY
        if len(self._waiting) < head:
            return head - len(self._waiting)
        return max(0, head + self._length() - len(self._waiting))

    @property
    def is_between(self) -> bool:
        """Whether no part of a message is waiting for its rest."""
        return not self._waiting

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now. Raises Forged for what no honest end sends."""
        self._waiting += data
        while not self.missing:
            yield self._next()

    def _length(self) -> int:
        (length,) = _LENGTH.unpack_from(self._waiting)
        if length > LARGEST:
            raise Forged(f"a message of {length} bytes")
        return int(length)

    def _next(self) -> Message:
        begin = _LENGTH.size + KEY
        end = begin + self._length()
        told, body = bytes(self._waiting[_LENGTH.size : begin]), bytes(self._waiting[begin:end])
        if not hmac.compare_digest(told, tag(self._key, self._way, self._number, body)):
            raise Forged("a message on the arm's descriptor that the arm's recorder did not send")
        self._number += 1
        self.before = self._history.hexdigest()
        self._history.update(self._waiting[:end])
        del self._waiting[:end]
        return _message(body)


def _message(body: bytes) -> Message:
    try:
        message = foreign.parsed(body, finite=False)
    except ValueError as error:
        raise Forged(f"a message that is no JSON ({error})") from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise Forged("a message without its kind")
    return message
