"""A scan of other kernels, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from harness import __version__
from harness.facts import Reproducer
from harness.report.terminal import say
from harness.sweep.scan import Executed, Found


def show(reproducer: Reproducer, found: Found, console: Console) -> None:
    """Print the candidates, how many kernels were compiled, and what was left out."""
    say(console, _lines(reproducer, found))


def document(reproducer: Reproducer, found: Found, head: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a scan; its form is in docs/sweep.md."""
    told = {"reproducer": reproducer.id, "platform": str(found.platform), "modules": found.modules}
    counts = {"kernels": found.kernels, "left_out": dict(found.left_out)}
    passes = {"done": found.done, "wanted": found.wanted}
    return {
        "refault": __version__,
        **head,
        "others": {
            **told,
            **counts,
            "passes": passes,
            "dropped": [asdict(one) for one in found.dropped],
            "candidates": [dict(one) for one in found.candidates],
            "executed": [{**one.emulated, "outcome": one.outcome} for one in found.executed],
        },
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
    yield from _executed(found.executed)
    for lost in found.dropped:
        modules = ", ".join(lost.modules)
        yield f"dropped, not {lost.step}: {modules}: its arm ended: {lost.ended} (log: {lost.log})"
    if found.done < found.wanted:
        yield f"{found.wanted - found.done} of {found.wanted} passes of a module did not come about"
    for reason, number in sorted(found.left_out.items(), key=lambda item: -item[1]):
        yield f"left out, {reason}: {number}"


def _executed(executed: Sequence[Executed]) -> Iterator[str]:
    """What became of those whose machine code was executed, and what is UNSUPPORTED, by name."""
    if not executed:
        return
    outcomes = Counter(one.outcome for one in executed)
    counts = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    yield f"executed with invented arguments, beside the interpreter: {counts}"
    ran = [one.emulated for one in executed if one.emulated["digest"]]
    waves, instructions = (sum(one[name] for one in ran) for name in ("waves", "instructions"))
    seconds = max(sum(one["seconds"] for one in ran), 1e-9)
    opcodes = {opcode for one in ran for opcode in one["opcodes"]}
    speed = f"{waves / seconds:.0f} waves and {instructions / seconds:.0f} instructions a second"
    yield f"{waves} waves, {instructions} instructions of {len(opcodes)} opcodes, {speed}"
    for one in executed:
        if one.outcome != "agrees":
            why = one.emulated["unsupported"] or ""
            yield f"{one.outcome}: {one.kernel} {why}".rstrip()
