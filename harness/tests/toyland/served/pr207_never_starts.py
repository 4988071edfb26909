"""#207: the server ends before it serves, in whatever way it is told to."""

from dataclasses import replace

from harness.facts import Bug, Choice, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=207, fixed_in="9.9.8", symptom="no server"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(in_function="stage", replace="out[:count].copy_(source[:count])", by="out.copy_(source)")
    ),
    server=replace(
        CASE,
        flags={"misbehave": "{trouble}"},
        params={"trouble": Choice("die", ("die", "die-quietly", "segfault", "never-ready", "orphan"))},
        ready_seconds=40.0,
    ),
    expect=Expect(reverted=faults("exception")),
)
