"""One reproducer in words: what the bug was, how it is undone, what its cases take and expect."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import StaleRevert
from harness.facts import Case, CodegenCase, ExpectedFault, KernelCase, ReportedServer, Reproducer
from harness.source import revert
from harness.source.tree import Tree


def describe(reproducer: Reproducer, tree: Tree | None) -> str:
    """Several lines of text; with a tree, also what the revert changes in it."""
    return "\n".join(_lines(reproducer, tree))


def _lines(reproducer: Reproducer, tree: Tree | None) -> Iterator[str]:
    bug = reproducer.bug
    yield reproducer.about
    yield ""
    yield f"id:         {reproducer.id}"
    pull = f"PR #{bug.pr}" if bug.pr else "PR not known"
    yield f"upstream:   {pull}{f', issue #{bug.issue}' if bug.issue else ''}"
    yield f"affected:   {bug.introduced_in or 'the oldest releases'} up to the release before {bug.fixed_in}"
    yield f"symptom:    {bug.symptom}"
    needs = ", ".join(sorted(reproducer.requires)) or "nothing"
    yield f"tiers:      {', '.join(reproducer.tiers)} (needs {needs})"
    if reproducer.codegen:
        yield from _codegen(reproducer.codegen)
    if reproducer.kernel:
        yield from _kernel(reproducer.kernel)
    if reproducer.device:
        yield f"on {reproducer.device.platform} alone, with its accelerator:"
        yield from _kernel(reproducer.device)
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


def _params(case: Case) -> Iterator[str]:
    yield f"parameters of the {case.tier} tier (change them with --set name=value):"
    for name, param in case.params.items():
        default = ",".join(map(str, param.default)) if isinstance(param.default, tuple) else param.default
        values = f", one of {', '.join(param.values)}" if hasattr(param, "values") else ""
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
    try:
        yield f"the revert in {tree.package} {tree.version or ''} ({tree.origin}):"
        yield revert.diff(revert.plan(tree, reproducer.revert))
    except StaleRevert as error:
        yield f"STALE: {error}"
