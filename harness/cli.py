"""The command `refault`."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Mapping

import click

from harness import __version__
from harness.commands import interruption, streams
from harness.errors import BadInput, RefaultError
from harness.foreign import cause, shown
from harness.report.telling import tell

_LONGEST = 2000
"""Characters of an error that are shown."""
_OBJECTS = 100_000
"""So many new objects are made before cycles among them are looked for."""
COMMANDS: Mapping[str, str] = {
    name: f"harness.commands.{name}"
    for name in (
        "bisect",
        "doctor",
        "gate",
        "history",
        "list",
        "matrix",
        "mine",
        "new",
        "record",
        "report",
        "repro",
        "run",
        "serve",
        "show",
        "sweep",
        "triage",
        "warm",
    )
} | {"list": "harness.commands.listing"}
"""The module of each command, which has it as `command`."""


class Group(streams.Group):
    """Imports the command that was typed, and no other: all of them take most of a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """None if there is no such command."""
        return load(cmd_name) if cmd_name in COMMANDS else None


def load(name: str) -> click.Command:
    """The command of that name; KeyError if there is none."""
    found: click.Command = importlib.import_module(COMMANDS[name]).command
    return found


def _collect_less() -> None:
    """Syntax trees and documents are millions of objects without a cycle, and modules stay."""
    gc.freeze()
    gc.set_threshold(_OBJECTS, 20, 100)


def main() -> None:
    """Run the command; every error is one line, unless REFAULT_TRACEBACK asks for more."""
    _collect_less()
    streams.prepare()
    interruption.take()
    try:
        with streams.written():
            sys.exit(app.main(standalone_mode=False, prog_name="refault"))
    except click.exceptions.Abort as error:
        sys.exit(interruption.code(_interrupt(error)))
    except KeyboardInterrupt as error:
        sys.exit(interruption.code(error))
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BadInput as error:
        _fail(str(error), 2)
    except RefaultError as error:
        _fail(str(error), 3)
    except OSError as error:
        _fail(f"{shown(error.filename or 'this machine')}: {cause(error)}: make room, or name another", 2)
    except Exception as error:  # noqa: BLE001 - 1 would be a verdict, and a traceback helps nobody who runs this
        what = f"{type(error).__name__}: {error}"
        _fail(f"Refault itself failed ({shown(what)}): report it with what REFAULT_TRACEBACK=1 shows", 3)


def _interrupt(error: click.exceptions.Abort) -> KeyboardInterrupt:
    """What click made an Abort of; the end of standard input counts as Ctrl-C."""
    return error.__cause__ if isinstance(error.__cause__, KeyboardInterrupt) else KeyboardInterrupt()


def _fail(message: str, code: int) -> None:
    if os.environ.get("REFAULT_TRACEBACK"):
        raise
    tell(f"refault: {shown(' '.join(message.split()), _LONGEST)}", stderr=True)
    sys.exit(code)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refault")
def app() -> None:
    """Shows that a fixed SGLang bug is still fixed, and that its reproducer still bites."""
