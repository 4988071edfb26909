"""Plans the arms that each reproducer has on this machine, runs them side by side, and judges the results."""

from harness.suite.foreseen import Foreseen, foresee
from harness.suite.judging import Judged, judge_again
from harness.suite.planning import absent, attested, lacks_fix, plan
from harness.suite.recorded import golden
from harness.suite.request import Request, missing
from harness.suite.runner import Suite
from harness.suite.setting import Bench, Setting

__all__ = [
    "Bench",
    "Foreseen",
    "Judged",
    "Request",
    "Setting",
    "Suite",
    "absent",
    "attested",
    "foresee",
    "golden",
    "judge_again",
    "lacks_fix",
    "missing",
    "plan",
]
