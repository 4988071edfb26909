"""A patch from where the user has it: a file, standard input, a clone, or the pull request on GitHub."""

from __future__ import annotations

import http.client
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError, URLError

from harness.draft import patch
from harness.draft.patch import Patch
from harness.errors import BadInput
from harness.foreign import shown

UPSTREAM = "https://github.com/sgl-project/sglang"
"""Where pull requests have their numbers. GitHub serves the commits of one as `/pull/<number>.patch`."""
_PATIENCE = 30
"""Seconds without a byte."""


def obtained(
    pr: int | None, file: Path | None, commit: str | None, checkout: Path | None, upstream: str = UPSTREAM
) -> Patch:
    """The patch that the options name; without any, that of the pull request.

    BadInput if they name two, or none for a bug without a number, or if it cannot be had.
    """
    if file is not None and commit is not None:
        raise BadInput("give the fix either as --patch FILE or as --commit COMMIT")
    if commit is not None:
        return patch.parse(_of_clone(checkout or Path(), commit), f"commit {shown(commit)}")
    if checkout is not None:
        raise BadInput("--checkout: is the clone of --commit: name one with it, or leave it out")
    if file is not None:
        return patch.parse(_standard_input(), "standard input") if str(file) == "-" else patch.read(file)
    if pr is None:
        raise BadInput("a bug without a number has no patch on GitHub: give --patch FILE or --commit COMMIT")
    return patch.parse(_of_pull_request(pr, upstream), f"pull request {pr}")


def _of_pull_request(pr: int, upstream: str) -> bytes:
    """The commits of a pull request, the earliest first. BadInput, naming --patch, if it cannot be had."""
    address = f"{upstream}/pull/{pr}.patch"
    remedy = "give the fix as --patch FILE, or as --commit COMMIT of a --checkout"
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:
            data = bytes(answer.read(patch.LARGEST + 1))
    except HTTPError as error:
        why = "there is no such pull request" if error.code == 404 else f"the server says {error.code}"
        raise BadInput(f"{address}: {why}: {remedy}") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        why = shown(getattr(error, "reason", None) or error)
        raise BadInput(f"{address} cannot be fetched ({why}): {remedy}") from error
    if len(data) > patch.LARGEST:
        raise BadInput(f"{address}: has more than {patch.LARGEST} bytes: {remedy}")
    return data


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
