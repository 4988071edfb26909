"""The server of the report, to be tried by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.facts.checks import require
from harness.facts.place import accelerator


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the report's server is started on one platform ("cuda" or "rocm").

    `flags` go to `sglang.launch_server`, an empty value being a switch; `note` says what differs
    from the report there, or why the bug cannot show.
    """

    platform: str
    flags: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        accelerator(self.platform, "launch.platform")
        require(
            not any(name.startswith("-") for name in self.flags), "launch.flags", "write flags without dashes"
        )

    def command(self, model: str) -> str:
        """The shell command."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        words += ["python3", "-m", "sglang.launch_server", "--model-path", model]
        for name, value in self.flags.items():
            words += [f"--{name}", shlex.quote(value)] if value else [f"--{name}"]
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class ReportedServer:
    """The server configuration in which the bug was reported, to be tried by hand.

    `client` is the shell command of the load, `expect` what the affected release does under it.
    """

    model: str
    launches: tuple[Launch, ...]
    client: str
    expect: str

    def __post_init__(self) -> None:
        require(self.launches, "reported.launches", "is empty")
        require(
            self.client.strip() and self.expect.strip(),
            "reported",
            "names no client command or no expectation",
        )
