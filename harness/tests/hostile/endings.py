"""Runs many commands with variables of their own, each in a fork of one interpreter: it starts slowly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.tests.toyland.checkout import Checkout, Ended

_LONGEST = 60
"""Seconds of one command; more is a hang."""
_DRIVER = """
import json, os, signal, sys, tempfile
from harness.cli import main

def ended(words, variables):
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            for file, standard in ((out, 1), (err, 2)):
                os.dup2(file.fileno(), standard)
            os.environ.update(variables)
            sys.argv = ["refault", *words]
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LONGEST)
            main()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = [file.seek(0) or file.read() for file in (out, err)]
        return [code, *told]

print(json.dumps([ended(*one) for one in json.loads(sys.argv[1])]))
""".replace("LONGEST", str(_LONGEST))


@dataclass(frozen=True)
class Typed:
    """A command line, and the variables that it is given."""

    words: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


def each(place: Checkout, typed: Sequence[Typed]) -> list[Ended]:
    """What each of them left; one that hangs ends by SIGALRM."""
    told = json.dumps([[list(one.words), dict(one.variables)] for one in typed])
    driver = [sys.executable, "-P", "-c", _DRIVER, told]
    done = subprocess.run(
        driver, capture_output=True, text=True, check=True, cwd=place.root, env=place.environment, timeout=600
    )
    return [Ended(*one) for one in json.loads(done.stdout)]


def one_line(done: Ended, code: int = 2) -> str:
    """What a command that refused its input said; nothing else was printed."""
    assert (done.returncode, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("refault: ") and line.isprintable() and "itself failed" not in line, line
    return line
