"""The toy's scheduler: requests in, one token a request and step out, through everything in `pages`."""

import enum
import json
import os
import sys
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any, TextIO

import torch
from sglang import pages
from sglang.llama import Llama

PAGE = 4


class Mode(enum.Enum):
    EXTEND = 1
    DECODE = 2


class Staging:
    """What answers are staged through, in a graph of its own where servers have graphs."""

    def __init__(self, graphs: bool) -> None:
        self.source, self.staged = torch.zeros(3), torch.zeros(2)
        self.graph = torch.cuda.CUDAGraph() if graphs else None
        if self.graph is not None:
            with torch.cuda.graph(self.graph):
                pages.stage(self.staged, self.source)

    def through(self, values: torch.Tensor) -> torch.Tensor:
        self.source.copy_(values)
        if self.graph is None:
            return pages.stage(self.staged, self.source)  # type: ignore[no-any-return]
        self.graph.replay()
        return self.staged


class Scheduler:
    def __init__(self, model: str, graphs: bool) -> None:
        self.model, self.staging = Llama(model), Staging(graphs)
        self.running: list[Any] = []

    def serve(self, asked: int, said: int) -> None:
        """Read requests from `asked`, one a line, and write one line a token to `said`."""
        os.set_blocking(asked, False)
        with os.fdopen(asked) as lines, os.fdopen(said, "w", buffering=1) as answers:
            while True:
                while line := lines.readline():
                    self.take(json.loads(line), answers)
                if not self.running:
                    time.sleep(0.005)
                for mode in Mode:
                    requests = [one for one in self.running if one.mode is mode]
                    if requests:
                        self.run_batch(SimpleNamespace(reqs=requests, forward_mode=mode))
                for request in self.running:
                    request.mode = Mode.DECODE
                    token, logprob = request.answered[-1]
                    told = {"rid": request.rid, "token": token, "logprob": logprob}
                    answers.write(json.dumps(told) + "\n")
                self.running = [one for one in self.running if len(one.answered) < one.count]

    def take(self, asked: dict[str, Any], answers: TextIO) -> None:
        if "abort" in asked:
            self.running = [one for one in self.running if one.rid != asked["abort"]]
            answers.write(json.dumps({"rid": asked["abort"], "token": None}) + "\n")
        else:
            own = {"rid": asked["rid"], "prompt": asked["prompt"], "count": asked["count"]}
            self.running.append(SimpleNamespace(**own, mode=Mode.EXTEND, answered=[]))

    def run_batch(self, batch: Any) -> None:
        for request in batch.reqs:
            request.answered.append(self.step(request))

    def step(self, request: Any) -> tuple[int, float]:
        ids = [*request.prompt, *(token for token, _ in request.answered)]
        slots = pages.build_table(len(ids), PAGE)
        pages.read_slot(0)
        pages.drain([0], threading.Event())
        logprobs = self.model.logprobs(ids, slots[: len(ids)].long())
        staged = self.staging.through(torch.tensor([logprobs.max(), logprobs.argmax(), 0.0]))
        return int(staged[1]), float(staged[0])


def run_scheduler_process(model: str, asked: int, said: int, graphs: bool) -> None:
    try:
        Scheduler(model, graphs).serve(asked, said)
    except Exception:  # noqa: BLE001 - it goes to the log, as upstream's do
        print(f"[2026-01-01 00:00:00 TP0] Scheduler hit an exception: {traceback.format_exc()}", flush=True)
        sys.exit(1)
