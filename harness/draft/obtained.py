"""A patch from where the user has it: a file, standard input, or a clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.draft import patch
from harness.draft.patch import Patch
from harness.errors import BadInput
from harness.foreign import shown


def obtained(file: Path | None, commit: str | None, checkout: Path | None) -> Patch:
    """The patch that the options name. BadInput unless they name exactly one, and it can be had."""
    if (file is None) == (commit is None):
        raise BadInput("give the fix either as --patch FILE or as --commit COMMIT")
    if commit is not None:
        return patch.parse(_of_clone(checkout or Path(), commit), f"commit {shown(commit)}")
    if checkout is not None:
        raise BadInput("--checkout: is the clone of --commit: leave it out beside --patch")
    if str(file) == "-":
        return patch.parse(_standard_input(), "standard input")
    assert file is not None
    return patch.read(file)


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(patch.LARGEST + 1)
    if len(data) > patch.LARGEST:
        raise BadInput(f"standard input: has more than {patch.LARGEST} bytes: give the patch of one fix")
    return data


def _of_clone(checkout: Path, commit: str) -> bytes:
    """What git says of a commit or of a range, the earliest commit first. BadInput if it says nothing."""
    if commit.startswith("-"):
        raise BadInput(f"--commit {shown(commit)}: is no commit")
    which = [commit] if ".." in commit else ["-1", commit]
    words = ["git", "-C", str(checkout), "format-patch", "--stdout", *which, "--"]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except OSError as error:
        raise BadInput(f"git cannot be run ({error.strerror}): install it, or give --patch") from error
    if done.returncode or not done.stdout:
        why = shown(done.stderr.strip() or "it holds no commit")
        raise BadInput(f"--commit {shown(commit)}: {shown(checkout)} has no such commit ({why})")
    return done.stdout
