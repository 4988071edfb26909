"""Goldens: the recorded observation of both arms, as text whose differences can be read."""

from harness.golden.record import Golden, GoldenPoint, points_of
from harness.golden.store import GoldenStore, Recorded

__all__ = ["Golden", "GoldenPoint", "GoldenStore", "Recorded", "points_of"]
