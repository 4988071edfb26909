"""The ports of one server, chosen so that all that upstream derives from its base are free, and held.

A port is held by a socket that is bound but never listens. Whoever binds with SO_REUSEADDR, as uvicorn,
ZeroMQ, torch's store and upstream's own check do, can still listen there; another reservation, made
without it, is refused, and the kernel hands the port to nobody. So no other arm and no outgoing
connection takes it between the choice and the server's own bind (socket(7), ip(7)).
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.errors import Unresolved

HOST = "127.0.0.1"
OFFSETS: Mapping[str, int] = {
    "http": 0,
    "http-sidecar": 1,  # gRPC mode
    "dp-handshake": 13,  # DP_ATTENTION_HANDSHAKE_PORT_DELTA
    "nccl": 100,  # ours: given as --nccl-port, which upstream would else take from the ephemeral range
    "dist-init": 233,  # ZMQ_TCP_PORT_DELTA, and what PortArgs.init_new counts up from there
    "tokenizer": 234,
    "detokenizer": 235,
    "rpc": 236,
    "metrics": 237,
    "scheduler": 238,
    "load-collector": 239,
    "grpc": 10000,  # since 0.5.11, and the base is refused where it comes out above 65535
}
"""What upstream adds to `--port` in 0.5.9 to 0.5.23 (server_args.PortArgs, data_parallel_controller)."""

_LOWEST = 20000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


@dataclass(frozen=True)
class Ports:
    """A base port and everything derived from it; held until `release`."""

    base: int
    held: tuple[socket.socket, ...]

    @property
    def nccl(self) -> int:
        return self.base + OFFSETS["nccl"]

    @property
    def all(self) -> tuple[int, ...]:
        return tuple(self.base + offset for offset in OFFSETS.values())

    def occupied(self) -> tuple[int, ...]:
        """The ports at which somebody listens right now."""
        return tuple(port for port in self.all if _is_listened_to(port))

    def release(self) -> None:
        for one in self.held:
            one.close()

    def __enter__(self) -> Ports:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def reserve(tries: int = _TRIES) -> Ports:
    """A base below the ephemeral range with which every derived port is free.

    Raises Unresolved if no such base was found.
    """
    # Not seeded: two arms that start at once should not walk the same bases.
    for base in random.SystemRandom().sample(range(_LOWEST, _highest()), tries):
        held = _hold(base)
        if held:
            return Ports(base, held)
    raise Unresolved(f"no {len(OFFSETS)} free ports in {tries} tries: end what listens on this machine")


def _highest() -> int:
    lowest_ephemeral = (
        int(_EPHEMERAL.read_text(encoding="utf-8").split()[0]) if _EPHEMERAL.exists() else 32768
    )
    return max(
        _LOWEST + 2 * _TRIES, min(lowest_ephemeral, 65535 - OFFSETS["grpc"]) - OFFSETS["load-collector"]
    )


def _hold(base: int) -> tuple[socket.socket, ...]:
    """Sockets on all of the base's ports; none if one of them is taken."""
    held: list[socket.socket] = []
    try:
        for offset in OFFSETS.values():
            held += [_bound(family, base + offset) for family in _families()]
    except OSError:
        for one in held:
            one.close()
        return ()
    return tuple(held)


def _bound(family: socket.AddressFamily, port: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(("", port))
        # Only now: the bind itself is to be refused where anybody else has the port in any form.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        one.close()
        raise
    return one


def _families() -> tuple[socket.AddressFamily, ...]:
    """The families upstream looks at: a listener on the IPv6 wildcard makes it refuse a port as well."""
    return (socket.AF_INET, socket.AF_INET6) if _has_ipv6() else (socket.AF_INET,)


def _has_ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists() and bool(
        Path("/proc/net/if_inet6").read_text(encoding="utf-8")
    )


def _is_listened_to(port: int) -> bool:
    """Whether a bind is refused even with SO_REUSEADDR: old connections do not count, listeners do."""
    for family in _families():
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                return True
    return False
