"""#208: the token after the right one is answered, by a graph; for a GPU, but that a CPU records graphs."""

from dataclasses import replace

from harness.facts import Bug, CpuGraphs, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=208, fixed_in="9.9.8", symptom="wrong tokens at graph replay"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="stage",
            replace="out[:count].copy_(source[:count])",
            by="out[:count].copy_(source[:count] + 1)",
        )
    ),
    server=replace(CASE, requires=frozenset({"cuda"}), graphs=CpuGraphs(sizes=(1, 2))),
    expect=Expect(reverted=faults("wrong-value", buffer="tokens")),
)
