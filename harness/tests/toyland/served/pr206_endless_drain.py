"""#206: the scheduler waits for a word that nobody gives."""

from harness.facts import Bug, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=206, fixed_in="9.9.8", symptom="hang"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="drain", remove="drained.set()")),
    server=CASE,
    expect=Expect(reverted=faults("hang")),
)
