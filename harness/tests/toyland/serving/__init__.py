"""The toy upstream with a server: HTTP in front, a scheduler in a process of its own, a real tiny model.

Each step of the scheduler goes through every function of the toy's `pages.py`, so that whatever fix is
undone there shows in a server that is being used. `write` makes the package: `launch_server.py`,
`llama.py` and `scheduler.py` beside this file are its source.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.tests.toyland import upstream

_HERE = Path(__file__).parent
_PLACES = {
    "launch_server.py": "launch_server.py",
    "llama.py": "llama.py",
    "scheduler.py": "srt/managers/scheduler.py",
}


def write(root: Path, pages: str = upstream.PAGES) -> Path:
    """Write the toy package with its server below `root`, and return `root`."""
    upstream.write(root, pages)
    managers = root / "sglang/srt/managers"
    managers.mkdir(parents=True)
    for folder in (managers, managers.parent):
        (folder / "__init__.py").write_text("")
    for name, place in _PLACES.items():
        shutil.copy(_HERE / name, root / "sglang" / place)
    return root
