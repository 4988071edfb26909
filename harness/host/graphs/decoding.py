"""Which runner upstream takes for the graphs of decoding and of a verify step.

On a CPU it takes one that compiles, and comes to the choice only where compiling is on. The choice is a
method of the model runner up to 0.5.15, and from 0.5.16 on a function beside it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.imports import Noted

RUNNER = "srt.model_executor.model_runner"
SETUP = "srt.model_executor.model_runner_components.cuda_graph_setup"
_STANDARD = "srt.model_executor.runner.decode_cuda_graph_runner"
_METHODS = ("init_decode_cuda_graph", "init_device_graphs")
_FUNCTION = "capture_decode_graph"
_COMPILING = "CPUGraphRunner"


def as_on_cuda(module: Any, noted: Noted) -> None:
    """Let the choice fall on the runner that every other device has."""
    owner, name = _chooser(module)
    if owner is None:
        return
    setattr(owner, name, _chosen(module, getattr(owner, name)))
    noted(f"{module.__name__}.{name}: the runner of CUDA graphs, as on other devices")


def _chooser(module: Any) -> tuple[Any, str]:
    """What holds the choice, and its name there; nothing in a module that only imports it."""
    if hasattr(module, _FUNCTION) and hasattr(module, _COMPILING):
        return module, _FUNCTION
    owner = getattr(module, "ModelRunner", None)
    found = next((name for name in _METHODS if hasattr(owner, name)), "")
    return (owner if found and hasattr(module, _COMPILING) else None), found


def _chosen(module: Any, choose: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(choose)
    def wrapped(*args: Any, **named: Any) -> Any:
        runner = named["model_runner"] if "model_runner" in named else args[0]
        if _is_off(module, runner):
            return choose(*args, **named)
        with _compiling(_switch(module, runner)) as off, _standing_for(module, off):
            return choose(*args, **named)

    return wrapped


def _is_off(module: Any, runner: Any) -> bool:
    """Whether the server was told to decode without graphs, as the release at hand asks for it."""
    if hasattr(module, "check_cuda_graph_backend"):
        return bool(module.check_cuda_graph_backend("decode", "disabled"))
    return bool(runner.server_args.disable_cuda_graph)


def _switch(module: Any, runner: Any) -> Any:
    """What says whether this server compiles: its own record of flags, or the command line's."""
    capture = module.get_flags().capture if hasattr(module, "get_flags") else None
    return capture if hasattr(capture, "enable_torch_compile") else runner.server_args


@contextmanager
def _compiling(switch: Any) -> Iterator[Callable[[], None]]:
    """Compiling is on until what is yielded is called, or the block ends."""
    before = switch.enable_torch_compile

    def off() -> None:
        switch.enable_torch_compile = before

    switch.enable_torch_compile = True
    try:
        yield off
    finally:
        off()


@contextmanager
def _standing_for(module: Any, chosen: Callable[[], None]) -> Iterator[None]:
    """The standard runner under the compiling one's name; `chosen` is called before one is made."""

    def made(runner: Any) -> Any:
        chosen()
        return _standard(module)(runner)

    compiling = getattr(module, _COMPILING)
    setattr(module, _COMPILING, made)
    try:
        yield
    finally:
        setattr(module, _COMPILING, compiling)


def _standard(module: Any) -> Any:
    """The runner of other devices: up to 0.5.13 the module that chooses has imported it."""
    if hasattr(module, "CudaGraphRunner"):
        return module.CudaGraphRunner
    package = module.__name__.partition(".")[0]
    return importlib.import_module(f"{package}.{_STANDARD}").DecodeCudaGraphRunner
