"""The toy's front: the HTTP of harness.tests.serving's toy, before a scheduler that runs a model."""

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
from typing import Any

import setproctitle
from aiohttp import web
from sglang.srt.managers import scheduler

from harness.tests.serving import toy_server


class Front(toy_server.Toy):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        toy_server.VOCABULARY = 256

    def fork(self) -> None:
        """Start the scheduler; before anything of asyncio is there, as upstream does."""
        multiprocessing.set_start_method("spawn", force=True)
        asked, self.asked = os.pipe()
        self.said, said = os.pipe()
        self.worker = multiprocessing.Process(
            target=_work, args=(self.options.model_path, asked, said, bool(self.options.cuda_graph_bs))
        )
        self.worker.start()
        os.close(asked)
        os.close(said)

    async def start(self) -> None:
        self.reader = asyncio.create_task(self.read())

    async def read(self) -> None:
        lines = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(lines)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(self.said))
        async for line in lines:
            said = json.loads(line)
            if said["rid"] in self.waiting:
                self.waiting[said["rid"]].put_nowait(said)
        await asyncio.to_thread(self.worker.join)
        who = f"Subprocess scheduler_0 (pid={self.worker.pid})"
        print(f"[2026-01-01 00:00:00] {who} crashed with exit code {self.worker.exitcode}.", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, what: dict[str, Any]) -> None:
        os.write(self.asked, json.dumps(what).encode() + b"\n")


def _work(model: str, asked: int, said: int, graphs: bool) -> None:
    setproctitle.setproctitle("sglang::scheduler")
    scheduler.run_scheduler_process(model, asked, said, graphs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--nccl-port", type=int)
    parser.add_argument("--api-key")
    parser.add_argument("--model-path")
    parser.add_argument("--device")
    parser.add_argument("--cuda-graph-bs", nargs="*", type=int)
    parser.add_argument("--misbehave", action="append", default=[])
    options = parser.parse_args()
    toy_server.misbehave_at_start(options)
    front = Front(options)
    front.fork()
    app = front.app()
    app.on_startup.append(lambda _: front.start())
    web.run_app(app, host=options.host, port=options.port, print=None, handle_signals=False)


if __name__ == "__main__":
    main()
