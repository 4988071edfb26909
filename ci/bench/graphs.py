"""What a replayed step costs against an eager one on this machine, with and without the oracle's watch."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

Step = Callable[[], Any]


def steps() -> dict[str, Step]:
    """A step of small torch operations, as of a tiny model's layers, and one of Triton launches."""
    import torch

    from harness.tests.memory.graphs import kernels

    width = 32
    weights = [torch.randn(width, width) for _ in range(8)]
    hidden, pool = torch.randn(4, width), torch.zeros(64, width)
    slots = torch.tensor([3, 4, 5, 6])
    flat, out = torch.zeros(128), torch.zeros(128)

    def operations() -> Any:
        state = hidden
        for weight in weights:
            query = torch.nn.functional.rms_norm(state, (width,)) @ weight
            pool[slots] = query
            keys = pool.index_select(0, slots)
            state = state + torch.nn.functional.silu(torch.softmax(query @ keys.t(), -1) @ keys)
        return state.argmax(-1)

    def launches() -> Any:
        for _ in range(4):
            kernels.double[(32,)](flat, out, 128, BLOCK=4)

    return {"torch operations": operations, "Triton launches": launches}


def milliseconds(run: Step, count: int) -> float:
    """The median of the processor's time."""
    import torch

    taken = []
    with torch.inference_mode():
        for _ in range(count):
            began = time.process_time()
            run()
            taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


@contextlib.contextmanager
def watched() -> Iterator[None]:
    from harness.memory.oracle import Oracle

    oracle = Oracle(traced=False)
    with oracle.watching(Path(__file__).parent, lambda kernel: None):
        yield
    if found := list(oracle.violations.faults()):
        raise SystemExit(f"bench: the oracle told of {found[0].signature}, and nothing was planted")


def row(name: str, step: Step, count: int) -> str:
    import torch

    from harness.memory import graphs

    captured = graphs.CUDAGraph()
    for _ in range(2):  # the first capture of a process imports more of torch
        captured.reset()
        began = time.process_time()
        with torch.inference_mode(), graphs.graph(captured):
            step()
        took = (time.process_time() - began) * 1e3
    plain = [milliseconds(run, count) for run in (step, captured.replay)]
    with watched():
        seen = [milliseconds(run, count) for run in (step, captured.replay)]
    assert captured.recording is not None  # it was captured above
    cells = [*(f"{value:.2f}" for value in (*plain, *seen)), f"{took:.0f}"]
    return f"| {len(captured.recording.nodes)} {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="how often each step is run")
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    print("| step | eager | replayed | eager, watched | replayed, watched | captured once |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, step in steps().items():
        print(row(name, step, chosen.count))


if __name__ == "__main__":
    main()
