"""Executes a kernel with invented arguments, as a chip's machine code or in Triton's interpreter.

Nothing of upstream's calls says what these kernels are given, so what they touch astray means nothing. What
both ways store has to be the same.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from harness.errors import Unsupported
from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host import import_stand_ins, platform_switches
from harness.host.targets import Target
from harness.memory.lanes import LaneChecks, checked
from harness.memory.violations import Violations
from harness.source import importing
from harness.source.kernels import Kernel, integer_kernels
from harness.source.tree import Tree
from harness.tiers.codegen import invented

ELEMENTS = 4096
"""Elements of each invented tensor."""
_SMALL = 5
"""What is stored in them is from 1 to below, and scalars are this: indices and lengths that lie inside.

None is 0: what a whole number divided by it comes to, or an infinity as a whole number, is nowhere defined.
"""
_GRID = (2,)
_TYPES = {"i64": torch.int64, "i32": torch.int32, "i8": torch.int8, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What became of one kernel.

    `digest` is of all that its arguments held afterwards, `astray` says that it left them, `unsupported` what
    the emulator does not implement, `failed` why it came to no end otherwise. `seconds` are the emulator's.
    """

    kernel: str
    dtypes: Mapping[str, str]
    digest: str | None = None
    astray: bool = False
    unsupported: str | None = None
    failed: str | None = None
    waves: int = 0
    instructions: int = 0
    seconds: float = 0.0
    opcodes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the arm's child process: the integer kernels of some modules, on a chip or interpreted."""
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
    tree = Tree(root=Path(payload["root"]), package=payload["package"])
    importing.install(tree.root, tree.package, payload["bytecode"])
    platform_switches.hide_hip()
    import_stand_ins.install()
    chip = Platform.parse(payload["platform"]).emulates
    chosen = integer_kernels(tree, payload["modules"], Counter())
    found = (_of(kernel, Target(chip) if chip else None) for kernel in chosen)
    return {"executed": [one.to_json() for one in found if one]}


def _of(kernel: Kernel, target: Target | None) -> Execution | None:
    """What became of a kernel; nothing of one whose module does not import here, which the scan counts."""
    try:
        function = invented.function_of(kernel)
    except Exception:  # noqa: BLE001 - as there
        return None
    return execute(function, kernel, next(invented.combinations(kernel.pointers)), target)


def execute(function: Any, kernel: Kernel, dtypes: Mapping[str, str], target: Target | None) -> Execution:
    """Launch a kernel once: on a chip in the emulator, without a target in the interpreter."""
    one = Execution(kernel=f"{kernel.module}.{kernel.name}", dtypes=dict(dtypes))
    given = _invented(kernel, dtypes)
    try:
        told = _emulated(function, given, target) if target else _interpreted(function, given)
    except Unsupported as error:
        return replace(one, unsupported=str(error))
    except Exception as error:  # noqa: BLE001 - invented arguments may mean nothing
        return replace(one, failed=type(error).__name__)
    return replace(one, digest=_digest(given), **told)


def _invented(kernel: Kernel, dtypes: Mapping[str, str]) -> dict[str, Any]:
    """An argument for each parameter."""
    return {name: _argument(kernel, dtypes, name) for name in kernel.parameters}


def _argument(kernel: Kernel, dtypes: Mapping[str, str], name: str) -> Any:
    if name in kernel.constants:
        return kernel.constants[name]
    if name in dtypes:
        return (1 + torch.arange(ELEMENTS) % (_SMALL - 1)).to(_TYPES[dtypes[name]])
    return _SMALL


def _emulated(function: Any, given: Mapping[str, Any], target: Target) -> dict[str, Any]:
    strays = Violations()
    emulation = Emulation(target, strays, None, _nobody, _nobody)
    with emulated(emulation):
        function[_GRID](**given)
    (run,) = (run for _, run in emulation.runs)
    told: dict[str, Any] = {name: getattr(run, name) for name in ("waves", "instructions")}
    told |= {"seconds": round(run.seconds, 4), "opcodes": dict(run.opcodes)}
    return {"astray": any(strays.faults()), **told}


def _interpreted(function: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    strays = Violations()
    after: Callable[..., None] = _nobody
    with checked(LaneChecks(strays, None, _nobody, after)):
        function[_GRID](**given)
    return {"astray": any(strays.faults())}


def _nobody(*_: Any) -> None:
    """Told of a launch that nobody observes."""


def _digest(given: Mapping[str, Any]) -> str:
    found = hashlib.sha256()
    for name in sorted(given):
        if isinstance(value := given[name], torch.Tensor):
            found.update(value.numpy().tobytes())
    return found.hexdigest()[:16]
