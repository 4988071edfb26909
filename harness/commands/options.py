"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from harness import homes
from harness.documents import signatures
from harness.errors import BadInput
from harness.facts import Platform, Tier
from harness.report import json as json_report
from harness.source import releases


def target(context: click.Context, param: click.Parameter, value: str | None) -> json_report.Target | None:
    """Where the JSON goes, refused before anything runs if it cannot be written there."""
    if value is None:
        return None
    target: json_report.Target = "-" if value == "-" else Path(value)
    json_report.check_writable(target)
    return target


def _platforms(context: click.Context, param: click.Parameter, value: Sequence[str]) -> tuple[Platform, ...]:
    try:
        return tuple(map(Platform.parse, value))
    except ValueError as error:
        raise BadInput(f"{param.opts[0]} {error}") from error


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


def release(option: str, text: str, remedy: str) -> str:
    """The number of a release. BadInput, which ends with the remedy, for anything else."""
    found = releases.parse(text)
    if found is None:
        raise BadInput(f"{option} {text!r}: {remedy}")
    return found


platforms_option = partial(click.option, "--platform", "platforms", multiple=True, callback=_platforms)
"""Platforms to keep to, as many as are named; takes `help`."""
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
detail_option = click.option("--detail", is_flag=True, help="Show the evidence of passing results too.")
sglang_option = click.option(
    "--sglang",
    default="installed",
    show_default=True,
    help="The tree under test: installed, a release, a wheel, or a path that holds sglang/.",
)
reproducers_option = click.option(
    "--reproducers",
    "elsewhere",
    multiple=True,
    type=click.Path(path_type=Path),
    envvar=homes.VARIABLE,
    show_envvar=True,
    metavar="FOLDER",
    help="A folder of reproducers beside Refault's own; repeatable.",
)
tier_option = click.option(
    "--tier",
    "tiers",
    multiple=True,
    type=click.Choice([one.value for one in Tier]),
    callback=lambda context, param, words: tuple(map(Tier, words)),
    help="Only this tier; repeatable.",
)
