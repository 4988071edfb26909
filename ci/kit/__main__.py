"""`python -m ci.kit`: what a GPU machine without a package registry lacks, in parts to carry there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from ci.kit import build, pins
from ci.kit.build import Order
from ci.kit.choose import Choice
from ci.kit.fa3 import DTYPES, Needs
from ci.kit.parts import Kit
from ci.kit.target import Target
from harness.errors import BadInput
from harness.machine.workspace import default as default_workspace
from harness.report import terminal
from harness.source import releases

_LISTS = Path(__file__).parents[1] / "requirements"
_DEFAULT = ("upstream.txt", "refault.txt")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _size(context: click.Context, param: click.Parameter, value: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", value)
    if not found or not int(found[1]):
        raise BadInput(
            f"--part-size {value}: write a number of bytes, or one with K, M or G (powers of 1024)"
        )
    return int(found[1]) * _UNITS[found[2]]


def _release(context: click.Context, param: click.Parameter, value: str) -> str:
    release = releases.parse(value)
    if release is None:
        raise BadInput(f"--sglang {value}: write a release number, such as 0.5.15")
    return release


@click.command("kit")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--python", default="3.12", show_default=True, help="The target's Python.")
@click.option("--platform", default="manylinux", show_default=True, help="The target's kind of wheels.")
@click.option("--arch", default="sm90", show_default=True, help="The target's GPU.")
@click.option(
    "--sglang", "release", default="0.5.15", show_default=True, callback=_release, metavar="RELEASE"
)
@click.option(
    "--installed",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="What the target has already, as `pip freeze` says there.",
)
@click.option("--part-size", default="60M", show_default=True, callback=_size, help="Of a part, at most.")
@click.option(
    "--fa3",
    default="64",
    show_default=True,
    metavar="HEAD_SIZE|whole|none",
    help="Which kernels of FlashAttention-3 go in.",
)
@click.option(
    "--dtype", default="bfloat16", show_default=True, type=click.Choice(list(DTYPES)), help="For FA3."
)
@click.option(
    "--requirements",
    "lists",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Pins to take versions from; a checkout's own by default.",
)
def command(
    out: Path,
    python: str,
    platform: str,
    arch: str,
    release: str,
    installed: Path,
    part_size: int,
    fa3: str,
    dtype: str,
    lists: tuple[Path, ...],
) -> None:
    """Build an offline kit into OUT: parts to carry, each with the script that installs it there.

    The target is to have torch, torchvision, triton and numpy; what else it lacks, or has in a version
    that SGLang refuses, goes in.
    """
    order = Order(
        target=Target.named(python, platform, arch),
        sglang=release,
        pins=pins.read(lists or _default_lists()),
        there=pins.installed(installed),
        part_size=part_size,
        fa3=_fa3(fa3, dtype),
        to=out.absolute(),
    )
    progress = terminal.console(stderr=True)
    wheels = default_workspace().root / "kit-wheels"
    kit, choice = build.build(order, wheels, lambda what: terminal.say(progress, [what]))
    _report(kit, choice)


def _report(kit: Kit, choice: Choice) -> None:
    for note in choice.notes:
        terminal.tell(f"note: {note}")
    for number, size in enumerate(kit.parts, 1):
        count = sum(any(piece.part == number for piece in parcel.slices) for parcel in kit.parcels)
        terminal.tell(f"part-{number}: {size / (1 << 20):.1f} MiB, {count} wheels")
    install = f"python3 {kit.folder.name}/part-1/install.py SITE && . SITE/env.sh"
    terminal.tell(f"on the target, once per part: {install}")


def _default_lists() -> list[Path]:
    found = [_LISTS / name for name in _DEFAULT]
    if not all(file.is_file() for file in found):
        raise BadInput("no checkout's requirement lists are here: name some with --requirements")
    return found


def _fa3(word: str, dtype: str) -> Needs | str:
    if word in (build.FA3_WHOLE, build.FA3_NONE):
        return word
    if not word.isdigit():
        raise BadInput(f"--fa3 {word}: write a head size, such as 64, or whole, or none")
    return Needs(int(word), dtype)


def main() -> None:
    """Run the command; a mistake is one line, and the exit code 2."""
    try:
        command(prog_name="python -m ci.kit")
    except BadInput as error:
        terminal.tell(f"ci.kit: {error}", stderr=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
