"""Measures what sharing saves: all arms through one suite, and each in a fresh interpreter, in turn.

Both run in this one process's time, on the same machine, one after the other, so that their ratio
holds where the seconds themselves do not.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness import catalogue, homes
from harness.machine.workspace import Workspace
from harness.source.tree import installed
from harness.suite import Bench, Request, Setting, Suite, selection
from harness.verdict import Verdict


def seconds_shared(setting: Setting, wanted: Sequence[Request]) -> float:
    """All cases through one suite, both arms side by side."""
    start = time.monotonic()
    with Suite(setting) as suite:
        verdicts = [judged.result.verdict for judged in suite.run(wanted)]
    _require_all_passed(verdicts)
    return time.monotonic() - start


def seconds_fresh(setting: Setting, wanted: Sequence[Request]) -> float:
    """One arm at a time, each in an interpreter of its own that shares nothing with another."""
    start = time.monotonic()
    for request in wanted:
        for arm in request.asked:
            alone = dataclasses.replace(request, asked=(arm,))
            with tempfile.TemporaryDirectory(prefix="refault-bench-") as folder:
                cold = dataclasses.replace(
                    setting, lanes=1, workspace=_without_preload(setting, Path(folder))
                )
                with Suite(cold) as suite:
                    failing = [judged.result for judged in suite.run([alone]) if judged.result.failed]
            if failing:
                raise SystemExit(f"bench: {failing[0].reproducer} {arm}: {failing[0].reason}")
    return time.monotonic() - start


def _without_preload(setting: Setting, folder: Path) -> Workspace:
    """A workspace that knows the reverted trees but not what a fork server could import ahead."""
    (folder / "trees").symlink_to(setting.workspace.trees)
    return Workspace(folder)


def _require_all_passed(verdicts: Sequence[Verdict | None]) -> None:
    failing = [verdict for verdict in verdicts if verdict is None or not verdict.success]
    if failing:
        raise SystemExit(f"bench: a case ended as {failing[0]}; measure a tree on which all pass")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=2)
    lanes = parser.parse_args().lanes
    setting = Bench.here((homes.own(),), lanes).on(installed())
    known = catalogue.load_all()
    wanted = selection.select([], selection.WITHOUT_SERVERS, known)
    seconds_shared(setting, wanted)  # fills the caches, as a first `make reproduce` does
    shared, fresh = seconds_shared(setting, wanted), seconds_fresh(setting, wanted)
    arms = sum(len(request.asked) for request in wanted)
    print(f"{arms} arms, {lanes} lanes: shared {shared:.1f} s, fresh interpreters one by one {fresh:.1f} s")
    print(f"ratio {fresh / shared:.1f}")


if __name__ == "__main__":
    main()
