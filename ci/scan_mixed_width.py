"""Looks for other kernels of upstream that store an integer in another width than they computed it in.

Compiles every Triton kernel of the installed sglang that handles integers alone for an AMD GPU, with
the dtypes that its arguments have by name, and lists the stores of the kind that #23596 was about.
A kernel that is listed is a candidate: nothing says that its store goes wrong. What was left out is
counted, by reason. Minutes; `--only TEXT` narrows it to modules whose name holds the text.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import itertools
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.host.environment import COMPILED_KERNELS
from harness.source.tree import installed

FLOATS = re.compile(
    r"tl\.(dot|exp|log|sqrt|rsqrt|sigmoid|float|bfloat|math|sum\(.*float)|float(16|32|8)|bf16|fp8"
)
"""What a kernel that computes with floats mentions."""
DTYPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"req_to_token(_ptr|_pool_ptr)?|token_pool", ("i32",)),  # ReqToTokenPool
    (r"req_pool_ind\w*|out_cache_loc\w*|last_loc\w*", ("i64",)),  # ScheduleBatch, the allocators
    (r"loc_ptr|out_indices|free_page_ptr|prefix_tensors", ("i64",)),  # slots, pages, addresses of tensors
    (r"(seq|prefix|pre|extend|start|end)_(lens?|offset)\w*", ("i64", "i32")),  # int32 in EAGLE's allocation
    (r"paged?_kernel_lens\w*|kv_start_idx|positions(_ptr)?", ("i64", "i32")),  # made of those
    (r"\w*indptr\w*|\w*page_table\w*|block_tables?\w*", ("i32",)),  # the attention backends
    (r"\w*kv_indices\w*", ("i64", "i32")),  # int64 in the Triton backend, int32 in aiter and flashinfer
    (r"\w*mask(_ptr)?", ("i8",)),  # bool
    (
        r"[kvqxy](_\w+)?_ptr|cache_[kv]\w*|\w*(buffer|scale|state|logit|hidden|embed|weight|cos|sin)\w*",
        ("fp16",),
    ),
)
"""The dtypes with which upstream makes the tensors that have such names (0.5.15); data is no integer."""
EITHER = ("i64", "i32")
MOST = 8
"""Combinations of dtypes that are tried for one kernel."""


@dataclass(frozen=True)
class Kernel:
    """A kernel as its source shows it: which parameters are pointers, and which are constants."""

    module: str
    name: str
    pointers: tuple[str, ...]
    constants: Mapping[str, Any]
    parameters: tuple[str, ...]


@dataclass(frozen=True)
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


# --- reading the sources ---------------------------------------------------------------------


def kernels(package: Path, left_out: Counter[str]) -> Iterator[Kernel]:
    """Kernels of integers alone, in order of module."""
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        if "triton.jit" not in source:
            continue
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and _is_jit(node):
                kernel = _kernel(module, node)
                reason = _unfit(node, kernel, source)
                if reason:
                    left_out[reason] += 1
                else:
                    yield kernel


def _is_jit(node: ast.FunctionDef) -> bool:
    return any("triton.jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def _unfit(node: ast.FunctionDef, kernel: Kernel, source: str) -> str | None:
    text = ast.get_source_segment(source, node) or ""
    if FLOATS.search(text):
        return "computes with floats"
    if "tl.store" not in text:
        return "stores nothing itself"
    return None if kernel.pointers else "takes no pointer that can be told"


def _kernel(module: str, node: ast.FunctionDef) -> Kernel:
    arguments = [*node.args.args, *node.args.kwonlyargs]
    constants = {
        a.arg: _constant(a.arg)
        for a in arguments
        if "constexpr" in ast.unparse(a.annotation or ast.Constant(0))
    }
    names = tuple(argument.arg for argument in arguments)
    pointers = _pointers(node, set(names) - set(constants))
    return Kernel(module, node.name, pointers, constants, names)


def _constant(name: str) -> int | bool:
    """Switches are on, sizes small powers of two."""
    switch = re.match(r"(?i)(is|has|use|enable|need|with|apply|do|support)_|.*(_is_|_dtype_is)", name)
    return True if switch else 16


def _pointers(node: ast.FunctionDef, parameters: set[str]) -> tuple[str, ...]:
    """Parameters that loads and stores are derived from: the leftmost name of each address."""
    origins: dict[str, str] = {}
    found: dict[str, None] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            base = _leftmost(child.value)
            if base and base != child.targets[0].id:
                origins.setdefault(child.targets[0].id, base)
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and re.match(r"tl\.(load|store|atomic_)", ast.unparse(child.func)):
            name = _leftmost(child.args[0]) if child.args else None
            for _ in range(len(origins)):
                name = origins.get(name, name) if name and name not in parameters else name
            if name in parameters:
                found[str(name)] = None
    return tuple(found)


def _leftmost(node: ast.expr) -> str | None:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node.id if isinstance(node, ast.Name) else None


# --- compiling -------------------------------------------------------------------------------


def candidates(kernel: Kernel, platform: str, left_out: Counter[str]) -> Iterator[Candidate]:
    """Each store of another width, under each combination of dtypes that compiles."""
    try:
        function = _function(kernel)
    except Exception as error:  # noqa: BLE001 - upstream's imports may want anything; it is counted
        left_out[f"its module does not import here ({type(error).__name__})"] += 1
        return
    named = all(_known(name) for name in kernel.pointers)
    found: dict[tuple[str, str, str], Candidate] = {}
    refused: list[Exception] = []
    tried = list(itertools.islice(_combinations(kernel.pointers), MOST))
    for dtypes in tried:
        try:
            stores = _mixed(function, kernel, dtypes, platform)
        except Exception as error:  # noqa: BLE001 - guessed constants may not fit; counted below
            refused.append(error)
            stores = []
        for argument, value, conversion, element in stores:
            entry = Candidate(kernel.module, kernel.name, argument, value, conversion, element, named, dtypes)
            found.setdefault((argument, value, element), entry)
    if len(refused) == len(tried):
        left_out["does not compile with guessed constants"] += 1
    yield from found.values()


def _function(kernel: Kernel) -> Any:
    function = getattr(importlib.import_module(kernel.module), kernel.name)
    while not hasattr(function, "arg_names") or not hasattr(function, "params"):
        function = function.fn  # an autotuner or a heuristic around the kernel
    return function


def _known(name: str) -> tuple[str, ...]:
    return next((dtypes for pattern, dtypes in DTYPES if re.fullmatch(pattern, name)), ())


def _combinations(pointers: Sequence[str]) -> Iterator[dict[str, str]]:
    for chosen in itertools.product(*(_known(name) or EITHER for name in pointers)):
        yield dict(zip(pointers, chosen, strict=True))


def _mixed(
    function: Any, kernel: Kernel, dtypes: Mapping[str, str], platform: str
) -> list[tuple[str, str, str, str]]:
    import triton
    from triton.compiler import ASTSource

    from harness.host.targets import Target
    from harness.tiers import ir_facts

    kinds = {name: f"*{dtypes[name]}" if name in dtypes else "i32" for name in kernel.parameters}
    signature = {name: "constexpr" if name in kernel.constants else kind for name, kind in kinds.items()}
    source = ASTSource(fn=function, signature=signature, constexprs=dict(kernel.constants))
    ttir = triton.compile(source, target=Target(platform).gpu).asm["ttir"]
    runtime = [name for name, kind in signature.items() if kind != "constexpr"]
    return [
        (str(access.argument), str(access.value), str(access.conversion), access.element)
        for access in ir_facts.accesses(ttir, runtime)
        if access.mixed_width
    ]


# --- the command -----------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="modules whose name holds this text")
    parser.add_argument("--platform", default="rocm-gfx942", help="what to compile for")
    parser.add_argument("--json", type=Path, help="also write the candidates here")
    options = parser.parse_args()
    _prepare()
    left_out: Counter[str] = Counter()
    package = installed("sglang").root / "sglang"
    chosen = [kernel for kernel in kernels(package, left_out) if options.only in kernel.module]
    found = [one for kernel in chosen for one in _all(kernel, options.platform, left_out)]
    _show(found, len(chosen), left_out)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


def _all(kernel: Kernel, platform: str, left_out: Counter[str]) -> list[Candidate]:
    """A kernel's candidates, without linking what nobody runs."""
    from harness.host.targets import Target, compiling

    with compiling(Target(platform), lambda function, compiled: None):
        return list(candidates(kernel, platform, left_out))


def _prepare() -> None:
    for name, value in COMPILED_KERNELS.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    importlib.import_module("harness.host.preload")  # before upstream, which imports torchvision


def _show(found: Sequence[Candidate], compiled: int, left_out: Counter[str]) -> None:
    for one in found:
        basis = "dtypes by name" if one.named else "some dtypes assumed"
        told = f"{one.value} {one.conversion}, stored as {one.element}"
        print(f"{one.module}.{one.kernel}: {one.argument}: {told} ({basis}: {dict(one.dtypes)})")
    print(
        f"{len({(one.module, one.kernel) for one in found})} candidates among {compiled} kernels of integers"
    )
    for reason, number in left_out.most_common():
        print(f"left out, {reason}: {number}")


if __name__ == "__main__":
    main()
