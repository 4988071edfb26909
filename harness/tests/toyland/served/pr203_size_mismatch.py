"""#203: a step's values are copied into a buffer of another size."""

from harness.facts import Bug, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=203, fixed_in="9.9.8", symptom="size mismatch"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(in_function="stage", replace="out[:count].copy_(source[:count])", by="out.copy_(source)")
    ),
    server=CASE,
    expect=Expect(reverted=faults("exception")),
)
