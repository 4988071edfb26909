"""`torch.cuda.CUDAGraph` and `torch.cuda.graph` on a machine without a device."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

import torch
from torch.utils._python_dispatch import _disable_current_modes

from harness.memory.graphs import launches, liveness, refusals, stage
from harness.memory.graphs.recorder import Recorder
from harness.memory.graphs.recording import Recording

P = ParamSpec("P")
R = TypeVar("R")
Pool = tuple[int, int]
_NUMBERS = itertools.count(1)


def graph_pool_handle() -> Pool:
    """A pool of its own, as `torch.cuda.graph_pool_handle`."""
    return (next(_NUMBERS), 0)


class CUDAGraph:
    """A list of operations on fixed memory: recorded once, run again at every replay.

    Python does not run again. A capture leaves memory from outside as it was, and its own memory unwritten.
    """

    def __init__(self, keep_graph: bool = False) -> None:
        self.recording: Recording | None = None
        self._pool: Pool | None = None
        self._capture = ExitStack()

    def capture_begin(self, pool: Pool | None = None, capture_error_mode: str = "global") -> None:
        """Record from here on. CaptureError where a capture runs; RuntimeError for a graph that has one."""
        if self.recording is not None:
            raise RuntimeError("this graph was captured already: reset it first")
        recorder = Recorder(Recording())
        stage.begin(recorder)
        self._pool = pool or graph_pool_handle()
        self._capture = ExitStack()
        self._capture.callback(self._leave, recorder, torch.get_rng_state())
        self._capture.enter_context(refusals.refusing())
        self._capture.enter_context(launches.recorded())
        self._capture.enter_context(recorder)
        self.recording = recorder.recording

    def capture_end(self) -> None:
        """Record no more. CaptureSpoiled where something was refused meanwhile, and the error caught."""
        recorder = stage.recorder()
        if recorder is None or recorder.recording is not self.recording:
            raise RuntimeError("this graph is not being captured")
        self._capture.close()
        if recorder.invalid is not None:
            self.recording = None
        recorder.refuse_spoiled()
        liveness.hold(recorder.recording)

    def abandon(self) -> None:
        """Record no more, and forget what was recorded."""
        self._capture.close()
        self.recording = None

    def _leave(self, recorder: Recorder, numbers: torch.Tensor) -> None:
        stage.end()
        with _disable_current_modes():
            recorder.recording.undo()
            recorder.recording.poison()
            torch.set_rng_state(numbers)

    def instantiate(self) -> None:
        """Nothing is left to do: a list needs no executable form."""

    def replay(self) -> None:
        """Run the recorded operations again. CaptureError in a capture, RuntimeError without one before."""
        stage.refuse("a replay")
        if self.recording is None:
            raise RuntimeError("this graph was not captured: there is nothing to replay")
        self.recording.computed.clear()
        liveness.report(self.recording)
        with torch.inference_mode():
            for node in self.recording.nodes:
                node.run()

    def reset(self) -> None:
        self.recording = None

    def pool(self) -> Pool | None:
        return self._pool


@contextmanager
def graph(
    cuda_graph: CUDAGraph, pool: Pool | None = None, stream: Any = None, capture_error_mode: str = "global"
) -> Iterator[None]:
    """Capture what the block does, as `torch.cuda.graph`; a block that raises leaves the graph uncaptured."""
    cuda_graph.capture_begin(pool=pool, capture_error_mode=capture_error_mode)
    try:
        yield
    except BaseException:
        cuda_graph.abandon()
        raise
    cuda_graph.capture_end()


def native(function: Callable[P, R]) -> Callable[P, R]:
    """Say that a function stands for a native kernel: a graph holds a call of it as one node.

    Its tensors may be written, and what it returns is memory of its own or one of its arguments.
    """

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        recorder = stage.recorder()
        if recorder is None:
            return function(*args, **kwargs)
        result: R = recorder.native(function, args, kwargs)
        return result

    return called
