"""A scan of other kernels, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from harness import __version__
from harness.facts import Reproducer
from harness.report.terminal import say
from harness.sweep.scan import Found


def show(reproducer: Reproducer, found: Found, console: Console) -> None:
    """Print the candidates, how many kernels were compiled, and what was left out."""
    say(console, _lines(reproducer, found))


def document(reproducer: Reproducer, found: Found, head: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a scan; its form is in docs/sweep.md."""
    told = {"reproducer": reproducer.id, "platform": str(found.platform), "modules": found.modules}
    counts = {"kernels": found.kernels, "left_out": dict(found.left_out)}
    return {
        "refault": __version__,
        **head,
        "others": {**told, **counts, "candidates": [dict(one) for one in found.candidates]},
    }


def _lines(reproducer: Reproducer, found: Found) -> Iterator[str]:
    for one in found.candidates:
        basis = "dtypes by name" if one["named"] else "some dtypes assumed"
        dtypes = ", ".join(f"{name} {dtype}" for name, dtype in one["dtypes"].items())
        text = f"{one['value']} {one['conversion']}, stored as {one['element']}"
        yield f"{one['module']}.{one['kernel']}: {one['argument']}: {text} ({basis}: {dtypes})"
    holding = len({(one["module"], one["kernel"]) for one in found.candidates})
    scanned = f"{found.kernels} kernels of integers in {found.modules} modules, compiled for {found.platform}"
    yield f"{holding} hold the store of {reproducer.short_id}, of {scanned}"
    yield "a candidate is a kernel whose store has the form; nothing here says that it goes wrong"
    for reason, number in sorted(found.left_out.items(), key=lambda item: -item[1]):
        yield f"left out, {reason}: {number}"
