"""Small JSON messages between the pool and its processes, with file descriptors alongside."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import Unresolved

LARGEST = 1 << 16
"""Bytes of one message; what is longer travels in a file that the message names."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends that keep message borders, and say so when the other end is gone."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(link: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> bool:
    """Sends one message; False if nobody is left to read it. Raises Unresolved if it is too long."""
    data = json.dumps(message).encode()
    if len(data) > LARGEST:
        raise Unresolved(f"a message of {len(data)} bytes is too long to be sent: {data[:60]!r}")
    try:
        socket.send_fds(link, [data], list(descriptors))
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its descriptors; None once the other end is gone. ValueError if it is none."""
    try:
        data, descriptors, _, _ = socket.recv_fds(link, LARGEST, 4)
    except ConnectionResetError:
        # The other end went without having read all; Linux tells that once, before what it had sent itself.
        data, descriptors, _, _ = socket.recv_fds(link, LARGEST, 4)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    try:
        message = json.loads(data) if data else None
        if data and not isinstance(message, dict):
            raise ValueError(f"a message is an object, not {data[:60]!r}")
    except ValueError:
        close(descriptors)
        raise
    return (message, descriptors) if message is not None else None


def close(descriptors: Sequence[int]) -> None:
    """Gives back what came with a message that nobody makes use of."""
    for descriptor in descriptors:
        os.close(descriptor)
