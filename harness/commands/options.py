"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path

import click

from harness.documents import signatures
from harness.errors import BadInput
from harness.report import json as json_report
from harness.suite import selection


def target(context: click.Context, param: click.Parameter, value: str | None) -> json_report.Target | None:
    """Where the JSON goes, refused before anything runs if it cannot be written there."""
    if value is None:
        return None
    target: json_report.Target = "-" if value == "-" else Path(value)
    json_report.check_writable(target)
    return target


def place(context: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Where a report goes, refused before anything runs if it cannot be written there."""
    if value is not None:
        json_report.check_writable(value, f"give {param.opts[0]} a writable file")
    return value


def check_signing(key: Path | None, target: json_report.Target | None) -> None:
    """BadInput where a key is given that cannot sign, or no file that it could."""
    if key is None:
        return
    if not isinstance(target, Path):
        raise BadInput(f"--sign {key}: there is no file to sign: add --json FILE")
    signatures.check_key(key)


sign_option = click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="Sign the JSON with this ssh private key; the signature goes to FILE.sig.",
)
json_option = click.option(
    "--json",
    "target",
    callback=target,
    metavar="FILE",
    help="Also write the results as JSON; - for standard output.",
)
html_option = click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path),
    callback=place,
    metavar="FILE",
    help="Also write the results as one self-contained HTML file.",
)
lanes_option = click.option(
    "-n",
    "lanes",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Arms that run at once.",
)
sglang_option = click.option(
    "--sglang",
    default="installed",
    show_default=True,
    help="The tree under test: installed, a release, a wheel, or a path that holds sglang/.",
)
tier_option = click.option(
    "--tier", "tiers", multiple=True, type=click.Choice(selection.TIERS), help="Only this tier; repeatable."
)
