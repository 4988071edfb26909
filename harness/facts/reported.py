"""The server of the report, to be tried by hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.facts.checks import require
from harness.facts.place import accelerator


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the report's server is started on one platform; `refault show` prints the command."""

    platform: str
    """`cuda` or `rocm`."""
    flags: Mapping[str, str]
    """Go to `sglang.launch_server`, written without dashes; an empty value is a switch."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the server."""
    note: str = ""
    """What differs from the report there, or why the bug cannot show; empty where it is as reported."""

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
    """The server configuration in which the bug was reported, to be tried by hand. Refault never runs it."""

    model: str
    """The model's name, as `--model-path` takes it."""
    launches: tuple[Launch, ...]
    """How it is started, one for each platform."""
    client: str
    """The shell command of the load."""
    expect: str
    """What the affected release does under it."""

    def __post_init__(self) -> None:
        require(self.launches, "reported.launches", "is empty")
        require(
            self.client.strip() and self.expect.strip(),
            "reported",
            "names no client command or no expectation",
        )
