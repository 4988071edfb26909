"""An arm that compiles kernels by themselves and lists their stores of another width than was computed.

It is no tier: nothing of upstream's launches says that these kernels get these dtypes, so what it lists
are candidates. What it cannot compile is counted, by reason.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triton import compile as compiled
from triton.compiler import ASTSource

from harness.facts import Platform
from harness.host import import_stand_ins, platform_switches, targets
from harness.host.targets import Target
from harness.source import importing
from harness.source.kernels import Kernel, integer_kernels
from harness.source.tree import Tree
from harness.tiers.codegen import invented
from harness.tiers.codegen.access import accesses

_MOST = 8
"""Combinations of dtypes that are tried for one kernel."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A store of another width than its value's. `named` says that all dtypes follow from names."""

    module: str
    kernel: str
    argument: str
    value: str
    conversion: str
    element: str
    named: bool
    dtypes: Mapping[str, str]


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the arm's child process: the candidates in some modules of a tree, for one target."""
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
    tree, left_out = Tree(root=Path(payload["root"]), package=payload["package"]), Counter[str]()
    importing.install(tree.root, tree.package, payload["bytecode"])
    platform_switches.hide_hip()
    import_stand_ins.install()
    chosen = list(integer_kernels(tree, payload["modules"], left_out))
    target = Target(Platform.parse(payload["platform"]))
    with targets.compiling(target, lambda function, kernel: None):  # without linking what nobody runs
        found = [asdict(one) for kernel in chosen for one in candidates(kernel, target, left_out)]
    return {"candidates": found, "kernels": len(chosen), "left_out": dict(left_out)}


def candidates(kernel: Kernel, target: Target, left_out: Counter[str]) -> Iterator[Candidate]:
    """Each store of another width, under each combination of dtypes that compiles."""
    try:
        function = invented.function_of(kernel)
    except Exception as error:  # noqa: BLE001 - upstream's imports may want anything; it is counted
        left_out[f"its module does not import here ({type(error).__name__})"] += 1
        return
    tried = list(itertools.islice(invented.combinations(kernel.pointers), _MOST))
    found: dict[tuple[str, str, str], Candidate] = {}
    refused = 0
    for dtypes in tried:
        try:
            stores = list(_mixed(function, kernel, dtypes, target))
        except Exception:  # noqa: BLE001 - guessed constants may not fit; counted below
            refused += 1
            continue
        for one in stores:
            found.setdefault((one.argument, one.value, one.element), one)
    if refused == len(tried):
        left_out["does not compile with guessed constants"] += 1
    yield from found.values()


def _mixed(function: Any, kernel: Kernel, dtypes: Mapping[str, str], target: Target) -> Iterator[Candidate]:
    kinds = {name: f"*{dtypes[name]}" if name in dtypes else "i32" for name in kernel.parameters}
    signature = {name: "constexpr" if name in kernel.constants else kind for name, kind in kinds.items()}
    source = ASTSource(fn=function, signature=signature, constexprs=dict(kernel.constants))
    ttir = compiled(source, target=target.gpu).asm["ttir"]
    runtime = [name for name, kind in signature.items() if kind != "constexpr"]
    for access in accesses(ttir, runtime):
        if access.mixed_width:
            yield Candidate(
                module=kernel.module, kernel=kernel.name, argument=str(access.argument),
                value=str(access.value), conversion=str(access.conversion), element=access.element,
                named=all(invented.known(name) for name in kernel.pointers), dtypes=dict(dtypes),
            )  # fmt: skip
