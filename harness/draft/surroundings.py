"""What a draft tells of the code around a revert, beside the revert itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.draft import guessed, rigs, upstream_tests
from harness.draft.functions import Edited, edited
from harness.draft.guessed import Guess
from harness.draft.patch import Patch
from harness.draft.proof import Proven


@dataclass(frozen=True)
class Surroundings:
    """The edited functions, parameters for the case, rigs that fit, and what the patch's own tests call."""

    functions: tuple[Edited, ...] = ()
    params: tuple[Guess, ...] = guessed.guesses(())
    rigs: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


def around(proven: Proven, patch: Patch, folder: Path | None = None) -> Surroundings:
    """Look it up in the tree and the patch; `folder` has the rigs, where there are some."""
    functions = edited(proven)
    return Surroundings(
        functions=functions,
        params=guessed.guesses(functions),
        rigs=rigs.fitting(folder, functions) if folder and folder.is_dir() else (),
        calls=upstream_tests.calls(patch, functions),
    )
