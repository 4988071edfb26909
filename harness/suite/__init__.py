"""Plans the arms that each reproducer has on this machine, runs them side by side, and judges the results."""

from harness.suite.judging import Judged
from harness.suite.planning import attested
from harness.suite.request import Request, missing, platform_of
from harness.suite.runner import Suite
from harness.suite.setting import Setting

__all__ = ["Judged", "Request", "Setting", "Suite", "attested", "missing", "platform_of"]
