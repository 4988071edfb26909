"""A company's own package of reproducers, as docs/extending.md has it, away from any checkout of Refault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs/extending.md").read_text(encoding="utf-8")
PACKAGE = "acme_bugs"
MODULE = "pr901_stale_slot"
KIND = "acme:stale-slot"


def files() -> dict[str, str]:
    """The files of the page, by their paths: blocks whose first line names one."""
    blocks = re.findall(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return dict(blocks)


def commands() -> Iterator[str]:
    """What the page says to type, in order."""
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()


def lay_out(folder: Path) -> Path:
    """Write the package below a folder; the package's own folder."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / PACKAGE


def install(site: Path, package: str = PACKAGE) -> None:
    """Write what pip leaves of a distribution that names the package as its reproducers."""
    about = site / f"{PACKAGE}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[refault.reproducers]\nacme = {package}\n")
