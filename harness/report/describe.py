"""One reproducer in words: what the bug was, how it is undone, what its cases take and expect."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from harness.errors import StaleRevert
from harness.facts import (
    Boolean,
    Choice,
    CodegenCase,
    CpuGraphs,
    ExpectedFault,
    Feature,
    Host,
    KernelCase,
    Released,
    ReportedServer,
    Reproducer,
    ServerCase,
    Subject,
    Traffic,
)
from harness.facts.cases import Space
from harness.facts.kinds import declared
from harness.serving import by_hand
from harness.source import revert
from harness.source.tree import Tree

_SPECULATIVE = "speculative-algorithm"
_PORT = 30000
"""What upstream listens to where it is told no other (server_args.ServerArgs.port)."""


def describe(subject: Subject, tree: Tree | None) -> str:
    """Several lines of text; with a tree, also what the revert changes in it."""
    return "\n".join(_lines(subject, tree))


def _lines(subject: Subject, tree: Tree | None) -> Iterator[str]:
    yield subject.about
    yield ""
    yield f"id:         {subject.id}"
    if isinstance(subject, Reproducer):
        yield from _bug(subject)
    needs = ", ".join(sorted(subject.requires)) or "nothing"
    yield f"tiers:      {', '.join(subject.tiers)} (needs {needs})"
    yield from _cases(subject)
    if isinstance(subject, Reproducer):
        yield from _proof(subject, tree)


def _bug(reproducer: Reproducer) -> Iterator[str]:
    bug = reproducer.bug
    pull = f"PR #{bug.pr}" if bug.pr else "PR not known"
    also = "".join(f", #{number}" for number in bug.also)
    yield f"upstream:   {pull}{f', issue #{bug.issue}' if bug.issue else ''}{also}"
    yield f"affected:   {bug.introduced_in or 'the oldest releases'} up to the release before {bug.fixed_in}"
    if reproducer.retired:
        yield f"upstream:   {reproducer.retired.told}"
    yield f"symptom:    {bug.symptom}"


def _cases(subject: Subject) -> Iterator[str]:
    if subject.codegen:
        yield from _codegen(subject.codegen)
    if subject.kernel:
        yield from _kernel(subject.kernel)
    if subject.device:
        yield f"on {subject.device.platform} alone, with its accelerator:"
        yield from _kernel(subject.device)
    if subject.server:
        yield from _server(subject, subject.server)


def _proof(reproducer: Reproducer, tree: Tree | None) -> Iterator[str]:
    yield from _expectation(reproducer)
    if reproducer.reported:
        yield ""
        yield from _reported(reproducer.reported)
    if tree:
        yield ""
        yield from _revert(reproducer, tree)


def _codegen(case: CodegenCase) -> Iterator[str]:
    yield from _params(case)
    controls = f"; both arms alike for {', '.join(case.controls)}" if case.controls else ""
    yield f"compiled:   for {', '.join(case.targets)}{controls}"


def _kernel(case: KernelCase) -> Iterator[str]:
    yield from _params(case)
    yield (
        f"watched:    {', '.join(sorted(case.watch.kinds))} "
        f"in {', '.join(sorted(case.watch.buffers)) or 'every buffer'}"
    )
    for kind in sorted(declared(case.watch.kinds)):
        yield f"            {kind}: {kind.about}"


def _server(subject: Subject, case: ServerCase) -> Iterator[str]:
    if case.params:
        yield from _params(case)
    if case.requires:
        yield f"servers:    need {', '.join(sorted(case.requires))}"
    yield f"traffic:    {_load(case.traffic)}"
    if case.graphs:
        yield from _graphs(case.graphs)
    hosts = _hosts(case)
    yield from _served(subject, case, hosts)
    yield from _launched(case, [host for host in hosts if host.has_devices])


def _load(load: Traffic) -> str:
    out = load.output_tokens or "as many as may be"
    return (
        f"{load.rounds} times {load.requests} requests, {load.concurrency} at a time, prompts of "
        f"{load.prompt_tokens[0]} to {load.prompt_tokens[1]} tokens, {out} tokens out"
    )


def _graphs(graphs: CpuGraphs) -> Iterator[str]:
    """What a CPU does instead of what an accelerator would."""
    attention = f"; {graphs.attention}'s attention by references" if graphs.attention else ""
    yield f"on a cpu:   CUDA graphs for batches of {' and '.join(map(str, graphs.sizes))}{attention}"
    if graphs.traffic:
        yield f"            {_load(graphs.traffic)}"


def _hosts(case: ServerCase) -> list[Host]:
    """The kinds of machine on which the case runs."""
    if Feature.CPU_SERVERS in case.requires:
        return [Host.CPU]
    needed = [host for host in Host if host in case.requires]
    return ([Host.CPU, *needed] if case.graphs else needed) or [Host.CPU, Host.CUDA, Host.ROCM]


def _served(subject: Subject, case: ServerCase, hosts: Sequence[Host]) -> Iterator[str]:
    """Commands for both arms as Refault starts them."""
    arms = ("fixed", "reverted") if isinstance(subject, Reproducer) else ("fixed",)
    yield f"by hand on {', '.join(hosts)}, each arm as it is judged; wait until both say how to ask them:"
    for arm in arms:
        yield f"    refault serve {subject.short_id} --arm {arm} | tee {arm}.txt &"
    for arm in arms:
        yield f"""    sh -c "$(sed -n 's/^  ask it *//p' {arm}.txt)\""""
    yield f"    kill {' '.join(f'%{number}' for number, _ in enumerate(arms, 1))}"
    if Host.CPU in hosts:
        yield f"  on cpu it adds: {shlex.join(case.arguments(Host.CPU, case.default))}"


def _launched(case: ServerCase, hosts: Sequence[Host]) -> Iterator[str]:
    """Commands for upstream as it is installed: only accelerators let it serve without Refault."""
    if not hosts:
        return
    yield f"by hand on {', '.join(hosts)}, upstream as installed:"
    yield f'    MODEL="$(python3 -m harness.models {case.model} --dtype {case.dtype})"'
    draft = ' --speculative-draft-model-path "$MODEL/draft"' if _SPECULATIVE in case.flags else ""
    set_first = "".join(f"{name}={shlex.quote(value)} " for name, value in case.environment.items())
    commands: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        commands.setdefault(case.arguments(host, case.default), []).append(host)
    for arguments, alike in commands.items():
        words = shlex.join((*arguments, "--host", "127.0.0.1", "--port", str(_PORT)))
        yield f"  server on {', '.join(alike)}:"
        yield f'    {set_first}python3 -m sglang.launch_server --model-path "$MODEL"{draft} {words}'
    yield "  client:"
    yield f"    {by_hand.curl(f'http://127.0.0.1:{_PORT}')}"


def _params(case: Space) -> Iterator[str]:
    yield f"parameters of the {case.tier} tier (change them with --set name=value):"
    for name, param in case.params.items():
        default = ",".join(map(str, param.default)) if isinstance(param.default, tuple) else param.default
        few = param.values if isinstance(param, Choice | Boolean) else ()
        values = f", one of {', '.join(map(str, few))}" if few else ""
        grid = f"; grid {', '.join(map(str, case.grid[name]))}" if name in case.grid else ""
        yield f"  {name:<14} {default}{values}{grid}"


def _reported(server: ReportedServer) -> Iterator[str]:
    yield "by hand, in the configuration of the report:"
    for launch in server.launches:
        yield f"  server on {launch.platform}{f' ({launch.note})' if launch.note else ''}:"
        yield f"    {launch.command(server.model)}"
    yield "  client:"
    yield f"    {server.client}"
    yield f"  an affected release: {server.expect}"


def _expectation(reproducer: Reproducer) -> Iterator[str]:
    yield f"expected:   fixed arm clean; reverted arm: {_told(reproducer.expect.reverted)}"
    if reproducer.expect.codegen:
        yield (
            f"            in the codegen tier: {_told(reproducer.expect.codegen)}, "
            "which identifies the kernel and proves no wrong value"
        )


def _told(expected: ExpectedFault) -> str:
    where = f" of {expected.buffer}" if expected.buffer else ""
    by = f" by {expected.kernel}" if expected.kernel else ""
    return f"{expected.kind}{where}{by}"


def _revert(reproducer: Reproducer, tree: Tree) -> Iterator[str]:
    if isinstance(reproducer.revert, Released):
        one = reproducer.revert
        yield f"undone:     nothing: {one.release} as published stands for the reverted arm ({one.reason})"
        return
    try:
        yield f"the revert in {tree.package} {tree.version or ''} ({tree.origin}):"
        yield revert.diff(revert.plan(tree, reproducer.revert))
    except StaleRevert as error:
        yield f"STALE: {error}"
