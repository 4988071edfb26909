"""Tiny models, made on the spot from a seed, whose answers depend on every cached position."""

from harness.models.making import NAMES, Model, make

__all__ = ["NAMES", "Model", "make"]
