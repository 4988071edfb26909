"""What a case draws depends on nothing that was drawn before it."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import torch

from harness.tests.toyland.bench import Bench, bug
from harness.tiers.kernel import seeds


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_reset_makes_every_generator_start_again() -> None:
    seeds.reset()
    first, second = drawn(), drawn()
    assert not set(first) & set(second)
    seeds.reset()
    assert drawn() == first


def test_arms_points_and_runs_draw_the_same_numbers(fresh: Bench) -> None:
    draws = bug("pr110_draws_numbers")
    seen = []
    for _ in range(2):
        arms = fresh.judge(draws).result.arms.values()
        seen += [point.results["drawn"] for arm in arms for point in arm.points]
    assert len(seen) == 8 and len(set(seen[0])) == 3
    assert all(one == other for one, other in pairwise(seen))
