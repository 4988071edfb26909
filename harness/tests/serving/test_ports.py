"""Ports are chosen free, held without being in the way, and known to be free again."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from harness.errors import Unresolved
from harness.serving import ports


def listener(port: int, host: str = "127.0.0.1") -> socket.socket:
    """As servers open theirs."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, port))
    one.listen()
    return one


def test_every_port_upstream_derives_is_there() -> None:
    with ports.reserve() as held:
        base = held.base
        assert {base, base + 13, *range(base + 233, base + 240), base + 10000, held.nccl} <= set(held.all)
        assert max(held.all) <= 65535


def test_the_base_lies_below_the_ephemeral_range() -> None:
    lowest = int(ports._EPHEMERAL.read_text().split()[0])
    with ports.reserve() as held:
        assert held.base + ports.OFFSETS["load-collector"] < lowest


def test_a_server_can_listen_on_what_is_held() -> None:
    with ports.reserve() as held, listener(held.base):
        with socket.create_connection(("127.0.0.1", held.base)):
            pass
        assert held.occupied() == (held.base,)
    with ports.reserve() as fresh:
        assert fresh.occupied() == ()


def test_nobody_else_gets_what_is_held() -> None:
    with ports.reserve() as held:
        assert ports._hold(held.base) == ()
        assert ports._hold(held.base - ports.OFFSETS["dist-init"]) == ()


@pytest.mark.parametrize("name", ports.OFFSETS)
def test_a_base_with_any_derived_port_taken_is_not_chosen(name: str) -> None:
    with ports.reserve() as held:
        base = held.base
    with listener(base + ports.OFFSETS[name]):
        assert ports._hold(base) == ()


def test_what_is_let_go_can_be_held_again() -> None:
    with ports.reserve() as held:
        base = held.base
    again = ports._hold(base)
    assert again
    for one in again:
        one.close()


def test_old_connections_do_not_count_as_listeners() -> None:
    with ports.reserve() as held:
        with listener(held.base) as server:
            client = socket.create_connection(("127.0.0.1", held.base))
            accepted, _ = server.accept()
        accepted.close()  # this side closes first, and its port stays in TIME_WAIT
        client.close()
        assert held.occupied() == ()


def test_a_machine_without_ports_is_unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse: Callable[[int], tuple[socket.socket, ...]] = lambda base: ()  # noqa: E731
    monkeypatch.setattr(ports, "_hold", refuse)
    with pytest.raises(Unresolved, match="no 12 free ports in 3 tries"):
        ports.reserve(tries=3)
