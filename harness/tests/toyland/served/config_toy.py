"""The toy's server as it is."""

from harness.facts import Configuration
from harness.tests.toyland.served.rig import CASE

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("build_table",),
    server=CASE,
)
