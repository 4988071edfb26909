"""Servers that are left up: where they are told to be, and what is said of one that does not come up."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.facts import Tier
from harness.process.pool import Pool
from harness.suite import Request, Suite
from harness.suite.kept_servers import start, wait
from harness.suite.selection import one
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench, subject


@pytest.fixture
def toy(tmp_path: Path, cache: Path) -> Iterator[Bench]:
    """With a pool of its own, which the test closes."""
    with Pool(2) as own:
        yield bench.lay_out_server(tmp_path, cache, own)


def test_both_arms_stand_side_by_side_until_the_suite_is_closed(toy: Bench) -> None:
    request = Request(reproducer=subject("pr202_wrong_token"), tier=Tier.SERVER)
    with Suite(toy.setting, pool=toy.pool) as suite:
        servers = start(request, suite)
        assert [server.arm for server in servers] == ["fixed", "reverted"]
        assert all(server.is_up and is_healthy(server.url, server.key) for server in servers)
        assert len({server.url for server in servers}) == 2
        assert all(server.log.is_file() and "--model-path" in server.command for server in servers)
        threading.Timer(1.0, toy.pool.close).start()
        wait(servers)
    assert not any(is_healthy(server.url, server.key) for server in servers)


def is_healthy(url: str, key: str) -> bool:
    asked = urllib.request.Request(f"{url}/health", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_a_server_that_does_not_come_up_is_unresolved_with_its_last_lines_and_log(
    tmp_path: Path, cache: Path, kernel_pool: Pool
) -> None:
    toy = bench.lay_out_server(tmp_path, cache, kernel_pool)
    (request,) = one(subject("pr207_never_starts"), (Tier.SERVER,), ["trouble=die"], "fixed")
    with Suite(toy.setting, pool=kernel_pool) as suite, pytest.raises(Unresolved) as caught:
        start(request, suite)
    said = str(caught.value)
    assert said.startswith("the server of the fixed arm did not come up: ")
    assert "toy size 3 does not match 4" in said and "server.log" in said
