"""#201: the table of a request has one entry per page, but the kernel fills one per token."""

from harness.facts import Bug, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=201, fixed_in="9.9.8", symptom="stray store"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="build_table", replace="numel = pages * page_size", by="numel = pages")),
    server=CASE,
    expect=Expect(reverted=faults("oob-write", buffer="table", kernel="fill_kernel")),
)
