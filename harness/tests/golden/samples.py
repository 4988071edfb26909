"""A golden that tests share."""

from __future__ import annotations

from harness.golden import Golden
from harness.tests.samples import case


def stored() -> Golden:
    whole = case().golden
    assert whole is not None
    return whole
