"""Run as a script: a pool that borrows, says from whom, and whose arm stays."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from harness.process.warm.lender import Lender, _Lent
from harness.tests.process.warm import toy
from harness.tests.process.warm.conftest import job, pool_of


def main() -> None:
    """Arguments: the warm process's folder, and something if it is to be killed as soon as it has asked."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        tempfile.tempdir = str(folder)
        _Lent._take = lambda self: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    with pool_of(Lender(folder / "warm")) as pool:
        arm = job("leaves_daemons", folder / "arm", toy.environments(folder)["branch"], sleep=600)
        pool.submit(arm)
        while not (folder / "arm" / "daemon").exists():
            time.sleep(0.01)
        (lent,) = pool._lent
        print(lent.pid, lent.scratch, flush=True)
        time.sleep(600)
