"""Arms are lent nothing: such a process would be outside of what holds an arm."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.process import confine
from harness.process.confine import Protected
from harness.process.descendants import descendants
from harness.process.pool import Pool
from harness.process.protection import Protection
from harness.process.warm import peers
from harness.process.warm.request import Request, lists
from harness.process.warm.surroundings import Surroundings, unread
from harness.tests.process.warm import asking
from harness.tests.process.warm.conftest import Warm, job


def _request(warm: Warm) -> dict[str, Any]:
    """What a pool says to be lent what the plain environment is to have."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    plain = warm.environments["plain"]
    here = Surroundings.here()
    return Request(
        surroundings=here, environment=plain.key, lists=lists(plain), scratch="", variables=unread()
    ).to_json()


@pytest.mark.parametrize(
    ("protection", "why"),
    [
        (Protection.COMPARED, "it is an arm's"),
        (Protection.READ_ONLY, "it is in namespaces of its own, as arms are"),
    ],
)
def test_an_arm_is_lent_nothing(warm: Warm, tmp_path: Path, protection: Protection, why: str) -> None:
    if protection is Protection.READ_ONLY and confine.refused():
        pytest.skip("this machine lets nobody have read-only folders")
    payload = {"place": str(warm.folder / "warm"), "request": _request(warm)}
    asked = replace(
        job("returns", tmp_path / "arm", warm.environments["plain"], **payload),
        entry=f"{asking.__name__}:asks",
        protected=Protected(read_only=(tmp_path / "modules",)),
    )
    before = {one.pid for one in descendants(warm.process.pid)}
    with Pool(1, learn=False, protection=protection) as pool:
        told: dict[str, Any] = pool.submit(asked).result(timeout=30).result or {}
    assert (told["declined"], told["lent"]) == (why, None)
    assert {one.pid for one in descendants(warm.process.pid)} == before


def test_the_same_from_elsewhere_is_lent(warm: Warm, tmp_path: Path) -> None:
    """So that the refusals above are for who asked, and not for what was said."""
    payload = {"place": str(warm.folder / "warm"), "request": _request(warm)}
    assert asking.asks(payload, tmp_path)["declined"] is None


def test_one_that_has_ended_is_refused() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert peers.refused(process.pid) == "it cannot be looked at"
    assert peers.refused(os.getpid()) is None
