"""Entries of trunks under test: what each does before its arms part, and what an arm says then."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.process import usage
from harness.process.trunk import Parting

Payload = Mapping[str, Any]
Result = dict[str, Any]


def parts(shared: Payload, parting: Parting) -> Result:
    """What is made before is there in every arm, and is the same object's copy."""
    count(shared)
    made, grown = [1], os.getpid()
    own = parting()
    made.append(own.payload["n"])
    assert parting() is own
    own.testimony.tell("list", made)
    return {
        "made": {"pid": grown, "list": made},
        "pid": os.getpid(),
        "parent": os.getppid(),
        "folder": str(own.folder),
        "session": os.getsid(0),
        "temporary": os.environ["TMPDIR"],
    }


def count(shared: Payload) -> None:
    with open(shared["counted"], "a") as file:
        file.write("grown ")


def raises_before(shared: Payload, parting: Parting) -> Result:
    count(shared)
    raise ValueError("the package cannot be imported")


def raises_behind(shared: Payload, parting: Parting) -> Result:
    parting()
    raise ValueError("this arm's own")


def crashes(shared: Payload, parting: Parting) -> Result:
    ctypes.string_at(0)
    return {}


def never_parts(shared: Payload, parting: Parting) -> Result:
    return {"made": "nothing"}


def hangs(shared: Payload, parting: Parting) -> Result:
    time.sleep(600)
    return {}


def starts_a_thread(shared: Payload, parting: Parting) -> Result:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    while usage.threads(os.getpid()) < 2:
        time.sleep(0.01)
    return {"own": dict(parting().payload)}


def forks_of_its_own(shared: Payload, parting: Parting) -> Result:
    """A second process comes to where arms part; it is no trunk and must be none."""
    os.fork()
    return {"n": parting().payload["n"]}


def alters(shared: Payload, parting: Parting) -> Result:
    vars(socket)["SOMAXCONN"] += 1
    return {"n": parting().payload["n"]}


def alters_what_was_noticed(shared: Payload, parting: Parting) -> Result:
    """A module that was not there when the trunk began."""
    late = importlib.import_module("harness.tests.samples")
    parting.noticed()
    vars(late)["__name__"] = "another"
    return {"n": parting().payload["n"]}


def writes(shared: Payload, parting: Parting) -> Result:
    """Which of the files it can write: its own, another arm's, one that is protected."""
    own = parting()
    return {name: _written(Path(path)) for name, path in own.payload["files"].items()}


def writes_before(shared: Payload, parting: Parting) -> Result:
    written = _written(Path(shared["protected"]))
    return {"n": parting().payload["n"], "written": written}


def _written(path: Path) -> bool:
    try:
        path.write_text("mine")
    except OSError:
        return False
    return True


def generates(shared: Payload, parting: Parting) -> Result:
    """A dataclass before the arms part, and one behind."""
    kinds = [dataclasses.make_dataclass("Before", ["slots_in_common"])]
    was_recalling = "exec" in vars(dataclasses)
    own = parting()
    kinds.append(dataclasses.make_dataclass("Behind", ["slots_of_an_arm"]))
    made = [dataclasses.asdict(kind(own.payload["n"])) for kind in kinds]
    return {"made": made, "recalling": [was_recalling, "exec" in vars(dataclasses)]}


def by_itself(payload: Payload, folder: Path) -> Result:
    """The same arm, without a trunk."""
    return {"alone": payload["n"]}
