"""What the commands share that run cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.commands import running
from harness.facts import Tier
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.suite import Request
from harness.tests.toyland.bench import Bench, bug
from harness.tiers import pools


def test_what_arms_share_is_imported_ahead_and_nothing_for_a_server(
    fresh: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[Environment] = []
    monkeypatch.setattr(Pool, "warm", lambda pool, environment: begun.append(environment))
    reproducer = bug("pr101_stray_store")
    asked = [Request(reproducer=reproducer, tier=tier) for tier in (Tier.KERNEL, Tier.SERVER)]
    with pools.pool_for(fresh.setting.machine, fresh.setting.workspace, 1) as pool:
        running.ahead([request.on(fresh.setting.machine) for request in asked], fresh.setting, pool)
        assert [environment.variables["TRITON_INTERPRET"] for environment in begun] == ["1"]
