"""When Python looks for cycles that are garbage: not while thousands of modules load, all of which stay.

In an arm on a CPU a tenth of the import of upstream's Triton back end was spent on that.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def later() -> Iterator[None]:
    """No collection in the block, and none of what was made in it by later ones."""
    gc.disable()
    try:
        yield
    finally:
        _resume()


def after_the_first_fork() -> None:
    """No collection before this process forks; from then on in both, but none of what was there already."""
    gc.disable()
    is_due = [True]

    def resume() -> None:
        if is_due:
            is_due.clear()
            _resume()

    os.register_at_fork(before=resume)


def _resume() -> None:
    gc.freeze()
    gc.enable()
