"""Stand-ins for libraries that a kit leaves out: upstream imports their names and here calls none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ci.kit import inert_names

MODULES: Mapping[str, tuple[str, ...]] = {
    # No others are to be found: upstream tries flashinfer's norms, and then takes those of its own library.
    "flashinfer-python": ("flashinfer", "flashinfer.prefill", "flashinfer.sampling"),
    # EAGLE's worker imports the back end of sparse attention, to ask whether it is the one in use.
    "nvidia-cutlass-dsl": (
        "cutlass",
        "cutlass._mlir",
        "cutlass._mlir.dialects",
        "cutlass.cute",
        "cutlass.cute.nvgpu",
        "cutlass.cute.runtime",
        "cutlass.cutlass_dsl",
        "cutlass.pipeline",
        "cutlass.utils",
        "cutlass.utils.blackwell_helpers",
    ),
    "sgl-deep-gemm": ("deep_gemm",),
}
"""Per distribution its modules that upstream imports at the top of modules of its own."""
ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "flashinfer-python": {"SGLANG_IS_FLASHINFER_AVAILABLE": "false"},
    "sgl-deep-gemm": {"SGLANG_ENABLE_JIT_DEEPGEMM": "false"},
}
"""What upstream is told, so that it does not take a stand-in for the library."""

_HELPER = "refault_kit_inert_names"
_TEXT = '''"""Inert stand-in for {name}: it can be imported, and whoever calls something of it is told."""

from {helper} import names_of

__getattr__ = names_of(__name__)
'''


def files(there: Collection[str]) -> dict[str, str]:
    """Python files, by path, that stand in for what is not `there`."""
    names = [name for library, modules in MODULES.items() if library not in there for name in modules]
    if not names:
        return {}
    packages = {name.rpartition(".")[0] for name in names}
    texts = {_path(name, name in packages): _TEXT.format(name=name, helper=_HELPER) for name in names}
    return {f"{_HELPER}.py": Path(inert_names.__file__).read_text(encoding="utf-8"), **texts}


def environment(there: Collection[str]) -> dict[str, str]:
    """The variables that go with the stand-ins."""
    chosen = [variables for library, variables in ENVIRONMENT.items() if library not in there]
    return {name: value for variables in chosen for name, value in variables.items()}


def _path(name: str, package: bool) -> str:
    return name.replace(".", "/") + ("/__init__.py" if package else ".py")
