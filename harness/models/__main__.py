"""`python3 -m harness.models NAME`: makes a model in the cache unless it is there, and prints its folder."""

from __future__ import annotations

import sys

import click

from harness.errors import BadInput
from harness.machine.workspace import default
from harness.models.making import DTYPES, NAMES, make


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="Its weights' type."
)
def main(name: str, dtype: str) -> None:
    """Make the tiny model NAME; a draft that it has is in the folder `draft` below what is printed."""
    try:
        click.echo(make(name, default().models, dtype=dtype).path)
    except BadInput as error:
        click.echo(f"refault: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main(prog_name="python3 -m harness.models")
