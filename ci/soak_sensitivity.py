"""Overwrites pages of served requests' KV caches, a hundred times a model, and counts what is noticed."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from harness.models import NAMES, make
from reproducers.tests import sensitivity

LEAST = 0.95


def main() -> int:
    """Prints what was noticed for each model; 1 if it was less than it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", choices=NAMES, help="this one only; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = options.model or NAMES
        passed = [_soak(name, Path(folder) / name, options.trials, options.seed) for name in models]
    return 0 if all(passed) else 1


def _soak(name: str, folder: Path, trials: int, seed: int) -> bool:
    begun = sensitivity.clock()
    with sensitivity.serving(make(name, folder / "models"), folder / "served") as server:
        found = sensitivity.trials(server, trials, seed)
    print(f"{name}: {sensitivity.told(found, sensitivity.clock() - begun)}", flush=True)
    return sum(each.is_noticed for each in found) >= LEAST * trials


if __name__ == "__main__":
    sys.exit(main())
