"""#205: a slot without memory is read at address 0."""

from harness.facts import Bug, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=205, fixed_in="9.9.8", symptom="segmentation fault"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="read_slot", remove="if not address: ...")),
    server=CASE,
    expect=Expect(reverted=faults("crash")),
)
