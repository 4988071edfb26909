"""What a server is started with."""

from __future__ import annotations

from pathlib import Path

from harness.serving import launch, ports
from harness.serving.launch import Command


def test_host_ports_and_key_come_last() -> None:
    with ports.reserve() as held:
        words = launch.words(Command(program=("python",), arguments=("--page-size", "16")), held, "secret")
    own = ("--host", "127.0.0.1", "--port", str(held.base), "--nccl-port", str(held.nccl))
    assert words == ("python", "--page-size", "16", *own, "--api-key", "secret")


def test_a_server_gets_the_environment_it_was_given_and_ours() -> None:
    whole = launch.environment(Command(arguments=(), environment={"A": "1", "TMPDIR": "/other"}), Path("/t"))
    assert whole["A"] == "1" and whole["TMPDIR"] == "/t"
    assert "HOME" not in whole
    assert whole["SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION"] == "0"
