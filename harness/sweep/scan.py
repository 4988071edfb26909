"""Looks in a tree's other kernels for the store that a signature is about: candidates, and what was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.facts import CPU, Host, Platform, Tier
from harness.process.job import Ended, Job
from harness.process.limits import Limits
from harness.source import kernels
from harness.source.bytecode import Bytecode
from harness.source.tree import Tree
from harness.suite import Suite
from harness.tiers.arms import MEMORY_MB, kind

_SHARE = 12
"""Modules that one arm takes: what ends an arm costs no more than these."""
_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a scan found: `candidates` as tiers.codegen.store_scan.Candidate has them, in order of module.

    `kernels` is how many were compiled, of so many `modules`; `left_out` counts the others by reason.
    `executed` are those whose machine code was executed, where the platform's can be.
    """

    platform: Platform
    modules: int
    kernels: int
    candidates: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, int]
    executed: tuple[Executed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Executed:
    """One kernel, executed with invented arguments as machine code and in the interpreter; both as
    tiers.codegen.execution.Execution has them."""

    emulated: Mapping[str, Any]
    interpreted: Mapping[str, Any] | None

    @property
    def kernel(self) -> str:
        return str(self.emulated["kernel"])

    @property
    def outcome(self) -> str:
        """`agrees`, `differs`, `UNSUPPORTED`, or why nothing can be compared."""
        one, other = self.emulated, self.interpreted
        if one["unsupported"]:
            return "UNSUPPORTED"
        if one["failed"]:
            return f"no end ({one['failed']})"
        if not other or not other["digest"]:
            return "not interpreted"
        if one["digest"] == other["digest"]:
            return "agrees"
        return "astray" if one["astray"] or other["astray"] else "differs"


def modules(tree: Tree, only: str) -> list[str]:
    """The modules with Triton kernels whose name holds `only`. BadInput if there is none."""
    named = [module for module in kernels.modules(tree) if only in module]
    if not named:
        raise BadInput(f"no module of {tree.package} with a Triton kernel has {only!r} in its name")
    return named


def run(
    suite: Suite,
    tree: Tree,
    platform: Platform,
    named: Sequence[str],
    done: Callable[[int], None] = lambda modules: None,
) -> Found:
    """Compile the integer kernels of these modules for one platform. `done` is told of so many more."""
    shares = [named[begin : begin + _SHARE] for begin in range(0, len(named), _SHARE)]
    bytecode = suite.bytecode(named)
    jobs = [_job(suite, tree, platform, share, n, bytecode) for n, share in enumerate(shares)]
    futures = {suite.submit(job): share for job, share in zip(jobs, shares, strict=True)}
    rows, left_out, count = [], Counter[str](), 0
    for future in as_completed(futures):
        result = _result(future.result(), futures[future])
        rows += result["candidates"]
        left_out.update(result["left_out"])
        count += result["kernels"]
        done(len(futures[future]))
    rows.sort(key=lambda row: (row["module"], row["kernel"]))
    return Found(
        platform=platform, modules=len(named), kernels=count, candidates=tuple(rows), left_out=dict(left_out),
        executed=tuple(_executed(suite, tree, platform, shares, bytecode)),
    )  # fmt: skip


def _executed(
    suite: Suite, tree: Tree, platform: Platform, shares: Sequence[Sequence[str]], bytecode: Bytecode
) -> Iterator[Executed]:
    """The kernels of a platform whose machine code can be executed here, beside the interpreter."""
    if platform.host is not Host.ROCM:
        return
    emulated = Platform(Host.EMULATED, platform.chip)
    code, interpreted = (_ran(suite, tree, place, shares, bytecode) for place in (emulated, CPU))
    for name, one in sorted(code.items()):
        yield Executed(emulated=one, interpreted=interpreted.get(name))


def _ran(
    suite: Suite, tree: Tree, platform: Platform, shares: Sequence[Sequence[str]], bytecode: Bytecode
) -> dict[str, Mapping[str, Any]]:
    """What became of each kernel on one platform, by its name; an arm that dies leaves its modules out."""
    futures = []
    for number, share in enumerate(shares):
        job = _job(suite, tree, platform, share, number, bytecode)
        folder = job.folder.with_name(f"{platform}.{number}")
        shared = suite.environment(kind(Tier.KERNEL, platform))
        job = replace(job, entry="harness.tiers.codegen.execution:enter", folder=folder, environment=shared)
        futures.append(suite.submit(job))
    ended = [future.result() for future in futures]
    return {one["kernel"]: one for end in ended for one in (end.result or {}).get("executed", ())}


def _job(
    suite: Suite, tree: Tree, platform: Platform, share: Sequence[str], number: int, bytecode: Bytecode
) -> Job:
    return Job(
        entry="harness.tiers.codegen.store_scan:enter",
        payload={
            "root": str(tree.root),
            "package": tree.package,
            "bytecode": bytecode.to_json(),
            "platform": str(platform),
            "modules": list(share),
        },
        folder=Path(suite.folder) / f"scan.{number}",
        limits=Limits(seconds=_SECONDS, memory_mb=MEMORY_MB["codegen"]),
        environment=suite.environment("codegen"),
    )


def _result(ended: Ended, share: Sequence[str]) -> Mapping[str, Any]:
    """What an arm handed back; one that ended otherwise leaves its modules out."""
    if ended.result is not None:
        return ended.result
    why = f"in one of {len(share)} modules whose arm ended as {ended.exit.how} (log: {ended.log})"
    return {"candidates": [], "kernels": 0, "left_out": {why: 1}}
