"""#202: the token after the right one is answered; nothing strays."""

from harness.facts import Bug, Expect, Reproducer, Revert, edit, faults
from harness.tests.toyland.served.rig import CASE

REPRODUCER = Reproducer(
    bug=Bug(pr=202, fixed_in="9.9.8", symptom="wrong tokens"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(
        edit(
            in_function="stage",
            replace="out[:count].copy_(source[:count])",
            by="out[:count].copy_(source[:count] + 1)",
        )
    ),
    server=CASE,
    expect=Expect(reverted=faults("wrong-value", buffer="tokens")),
)
