"""What a case draws depends on nothing that was drawn before it."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from harness.tests.toyland.bench import Bench, bug
from harness.tiers.kernel import seeds


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_reset_makes_every_generator_start_again(device: str) -> None:
    seeds.reset(device)
    first, second = drawn(), drawn()
    assert not set(first) & set(second)
    seeds.reset(device)
    assert drawn() == first
    torch.manual_seed(seeds.SEED)
    assert drawn()[2] == first[2]


def test_a_cpus_seed_is_not_kept_for_devices_that_may_come() -> None:
    waiting = len(torch.cuda._queued_calls)
    seeds.reset("cpu")
    assert len(torch.cuda._queued_calls) == waiting


def test_arms_points_and_runs_draw_the_same_numbers(fresh: Bench) -> None:
    draws = bug("pr110_draws_numbers")
    seen = []
    for _ in range(2):
        arms = fresh.judge(draws).result.arms.values()
        seen += [point.results["drawn"] for arm in arms for point in arm.points]
    assert len(seen) == 8 and len(set(seen[0])) == 3
    assert all(one == other for one, other in pairwise(seen))
