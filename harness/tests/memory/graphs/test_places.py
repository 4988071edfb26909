from __future__ import annotations

import ctypes
import json
import sys
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.memory.graphs.places import NOWHERE, Place, caller, place_of, standing
from harness.memory.names import NAMELESS, Known, names_of


def here() -> FrameType:
    return sys._getframe(1)


def test_a_frame_stands_where_the_call_stood() -> None:
    place = Place("/upstream/runner.py", "Runner.step.<locals>.run", 321)
    frame = standing(place)(here, NAMELESS)
    assert frame.f_code.co_filename == "/upstream/runner.py" and frame.f_code.co_name == "run"
    assert (frame.f_code.co_qualname, frame.f_lineno) == ("Runner.step.<locals>.run", 321)
    assert place_of(frame) == place and str(place) == "Runner.step.<locals>.run:321"


def test_native_code_can_import_there() -> None:
    """As torch does at its first use of some operations, which once depended on what ran before."""
    imported = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_char_p)(
        ("PyImport_ImportModule", ctypes.pythonapi)
    )
    assert standing(Place("/upstream/runner.py", "run", 1))(partial(imported, b"json"), NAMELESS) is json


def test_the_names_of_then_come_before_those_of_now() -> None:
    now, one, other = torch.zeros(4), torch.zeros(2), torch.zeros(3)

    def known() -> Known:
        return Known((("pool[0]", now), ("pool", one), ("pool", other)))

    def names() -> list[str | None]:
        return names_of([now, one, other], sys._getframe(1))

    place = Place("/upstream/pool.py", "read", 1)
    assert standing(place)(names, known()) == ["pool[0]", "pool", "pool"]
    assert standing(place)(names, NAMELESS) == names() == ["now", "one", "other"]


def test_whoever_asked_is_looked_for_behind_torch() -> None:
    files = list[str]()

    class Asked(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            files.append(place_of(caller(sys._getframe(1))).file)
            return func(*args, **(kwargs or {}))

    with Asked():  # type: ignore[no-untyped-call]
        torch.nn.functional.softmax(torch.zeros(2), 0)
    assert len(files) > 1 and set(files) == {__file__}
    assert place_of(caller(None)) is NOWHERE
