"""What upstream is told about graphs, on a toy package that asks as the releases do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.host import graphs
from harness.host.graphs import streams

SETUP = """
class CPUGraphRunner:
    def __init__(self, runner): raise AssertionError("compiles for the CPU")

def check_cuda_graph_backend(phase, backend): return DISABLED

DISABLED = False
CAPTURE = type("Capture", (), {"enable_torch_compile": False})()

def get_flags(): return type("Flags", (), {"capture": CAPTURE})

def capture_decode_graph(*, model_runner):
    if model_runner.device == "cpu" and not get_flags().capture.enable_torch_compile:
        return None
    return {"cpu": CPUGraphRunner}[model_runner.device](model_runner)
"""
RUNNER = """
from wares.srt.model_executor.model_runner_components.cuda_graph_setup import (
    CPUGraphRunner, check_cuda_graph_backend, get_flags,
)

class ModelRunner:
    def __init__(self, device="cpu"): self.device = device

    def init_decode_cuda_graph(self):
        if self.device == "cpu" and not get_flags().capture.enable_torch_compile:
            return
        self.runner = {"cpu": CPUGraphRunner}[self.device](self)
"""
OLD_RUNNER = """
class CPUGraphRunner:
    def __init__(self, runner): raise AssertionError("compiles for the CPU")

class CudaGraphRunner:
    def __init__(self, runner): self.compiling = runner.server_args.enable_torch_compile

class ModelRunner:
    def __init__(self, server_args): self.device, self.server_args = "cpu", server_args

    def init_device_graphs(self):
        self.graph_runner = None
        if self.server_args.enable_torch_compile:
            self.graph_runner = CPUGraphRunner(self)
"""
DECODING = """
from wares.srt.model_executor.model_runner_components.cuda_graph_setup import get_flags

class DecodeCudaGraphRunner:
    def __init__(self, runner): self.compiling = get_flags().capture.enable_torch_compile
"""
DRAFTING = """
_is_xpu = _is_cuda = False
class EAGLEDraftCudaGraphRunner: pass
class TritonAttnBackend: pass
class EagleDraftWorker:
    def __init__(self, backend):
        self.target_worker = type("Target", (), {"device": "cpu"})()
        self.draft_extend_attn_backend = backend

    def _capture_cuda_graphs(self):
        if self.draft_extend_attn_backend is None: raise KeyError("a step")
        return {"cuda": EAGLEDraftCudaGraphRunner}[self.target_worker.device], _is_xpu
"""
NCCL = """
from contextlib import contextmanager
class PyNcclCommunicator:
    disabled = True
    @contextmanager
    def change_state(self, enable=None):
        self.disabled = not enable
        yield self
        self.disabled = True
"""
MODES = """
class ForwardMode:
    def __init__(self, on): self.on = on
    def is_cuda_graph(self): return self.on
    def is_cpu_graph(self): return False
"""
RANKS = """
def memcpy_cpu(): raise AssertionError("asks for a number")
def memcpy_triton(): return "launched"
memcpy_func = memcpy_cpu
def memcpy(): return memcpy_func()
"""
SOURCES = {
    "srt/layers/dp_attention": RANKS,
    "srt/model_executor/model_runner_components/cuda_graph_setup": SETUP,
    "srt/model_executor/model_runner": RUNNER,
    "srt/model_executor/runner/decode_cuda_graph_runner": DECODING,
    "srt/speculative/eagle_worker_v2": DRAFTING,
    "srt/distributed/device_communicators/pynccl": NCCL,
    "srt/model_executor/forward_batch_info": MODES,
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was changed, with torch and the imports as they were afterwards."""
    for name in streams.NAMES:
        monkeypatch.setattr(torch.cuda, name, getattr(torch.cuda, name))
    before = list(sys.meta_path)
    yield []
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] == "wares"]:
        del sys.modules[name]


Asked = Callable[..., Any]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> Asked:
    """Imports a module of the toy package, some of whose sources are changed first."""

    def imported(name: str, **changed: str) -> Any:
        for path, source in {
            **SOURCES,
            **{f"srt/model_executor/{key}": text for key, text in changed.items()},
        }.items():
            file = tmp_path / "wares" / f"{path}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        graphs.answer("wares", told.append)
        return importlib.import_module(f"wares.{name}")

    return imported


@pytest.mark.parametrize("name", streams.NAMES)
def test_streams_are_the_cpus(name: str, asked: Asked, told: list[str]) -> None:
    asked("srt.model_executor.forward_batch_info")
    assert getattr(torch.cuda, name) is getattr(torch.cpu, name)
    assert f"torch.cuda.{name}: the CPU's" in told


def test_the_runner_of_graphs_is_taken_and_compiles_nothing(asked: Asked, told: list[str]) -> None:
    setup = asked("srt.model_executor.model_runner_components.cuda_graph_setup")
    compiling = setup.CPUGraphRunner
    made = setup.capture_decode_graph(model_runner=SimpleNamespace(device="cpu"))
    assert type(made).__name__ == "DecodeCudaGraphRunner" and made.compiling is False
    assert setup.CAPTURE.enable_torch_compile is False and setup.CPUGraphRunner is compiling
    assert [patch for patch in told if "capture_decode_graph" in patch]


def test_the_same_where_the_choice_is_a_method(asked: Asked) -> None:
    runner = asked("srt.model_executor.model_runner").ModelRunner()
    runner.init_decode_cuda_graph()
    assert type(runner.runner).__name__ == "DecodeCudaGraphRunner" and runner.runner.compiling is False


def test_a_server_without_graphs_stays_without(asked: Asked) -> None:
    setup = asked("srt.model_executor.model_runner_components.cuda_graph_setup")
    setup.DISABLED = True
    assert setup.capture_decode_graph(model_runner=SimpleNamespace(device="cpu")) is None


@pytest.mark.parametrize("off", [False, True])
def test_older_releases_choose_by_their_command_line(asked: Asked, off: bool) -> None:
    args = SimpleNamespace(enable_torch_compile=False, disable_cuda_graph=off)
    runner = asked("srt.model_executor.model_runner", model_runner=OLD_RUNNER).ModelRunner(args)
    runner.init_device_graphs()
    assert args.enable_torch_compile is False
    if off:
        assert runner.graph_runner is None
    else:
        assert type(runner.graph_runner).__name__ == "CudaGraphRunner" and not runner.graph_runner.compiling


def test_drafts_are_captured_on_a_device_called_cuda_and_only_then(asked: Asked) -> None:
    module = asked("srt.speculative.eagle_worker_v2")
    for backend, extended in ((module.TritonAttnBackend(), True), (object(), False)):
        worker = module.EagleDraftWorker(backend)
        assert worker._capture_cuda_graphs() == (module.EAGLEDraftCudaGraphRunner, extended)
        assert (worker.target_worker.device, module._is_xpu) == ("cpu", False)
    failing = module.EagleDraftWorker(None)
    with pytest.raises(KeyError, match="a step"):
        failing._capture_cuda_graphs()
    assert (failing.target_worker.device, module._is_xpu) == ("cpu", False)


def test_a_communicator_without_nccl_stays_off(asked: Asked) -> None:
    communicator = asked("srt.distributed.device_communicators.pynccl").PyNcclCommunicator()
    with communicator.change_state(enable=True):
        assert communicator.disabled
    communicator.device = "cuda:0"
    with communicator.change_state(enable=True):
        assert not communicator.disabled


def test_a_rank_s_rows_are_copied_by_the_kernel(asked: Asked) -> None:
    assert asked("srt.layers.dp_attention").memcpy() == "launched"


@pytest.mark.parametrize("on", [False, True])
def test_what_runs_in_graphs_is_what_cuda_runs_there(asked: Asked, on: bool) -> None:
    mode = asked("srt.model_executor.forward_batch_info").ForwardMode(on)
    assert mode.is_cpu_graph() is on


def test_a_module_that_chooses_nothing_stays_as_it_is(asked: Asked, told: list[str]) -> None:
    module = asked("srt.model_executor.model_runner", model_runner="class ModelRunner: pass\n")
    assert vars(module.ModelRunner).keys() == type("Other", (), {}).__dict__.keys()
    assert not [patch for patch in told if "model_runner:" in patch]
