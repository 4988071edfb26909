"""A toy of upstream's HTTP interface, with a scheduler in a process of its own. It misbehaves on demand.

Its "model" is arithmetic: each token follows from the prompt and the tokens before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from typing import Any

from aiohttp import web

VOCABULARY = 64
TRACEBACK = """\
[2026-01-01 00:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/somewhere/sglang/srt/managers/scheduler.py", line 10, in run_scheduler_process
    scheduler.run_event_loop()
  File "/somewhere/sglang/srt/layers/toy.py", line 20, in forward
    raise ValueError("toy size 3 does not match 4")
ValueError: toy size 3 does not match 4

[2026-01-01 00:00:00] Received sigquit from a child process. It usually means the child failed."""


def answer(prompt: list[int], count: int) -> list[tuple[int, float]]:
    """(token, log-probability) for each step."""
    seen = list(prompt)
    for _ in range(count):
        seen.append(3 + sum(at * token for at, token in enumerate(seen, 1)) % (VOCABULARY - 3))
    return [(token, -token / VOCABULARY) for token in seen[len(prompt) :]]


def scheduler(delay: float) -> None:
    """Reads requests, one a line, and writes one line a token; all requests take turns."""
    os.set_blocking(0, False)
    running: dict[str, list[tuple[int, float]]] = {}
    while True:
        line = sys.stdin.readline() if running or _readable() else ""
        while line:
            asked = json.loads(line)
            if "abort" in asked:
                if running.pop(asked["abort"], None) is not None:
                    print(json.dumps({"rid": asked["abort"], "token": None}), flush=True)
            else:
                running[asked["rid"]] = answer(asked["prompt"], asked["count"])
            line = sys.stdin.readline()
        time.sleep(delay)
        for rid in list(running):
            token, logprob = running[rid].pop(0)
            print(json.dumps({"rid": rid, "token": token, "logprob": logprob}), flush=True)
            if not running[rid]:
                del running[rid]


def _readable() -> bool:
    return bool(select.select([0], [], [], 0.05)[0])


class Toy:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.waiting: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.ready_at = 0.0

    async def start(self) -> None:
        program = [sys.executable, __file__, "--role", "scheduler", "--delay", str(self.options.delay)]
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(
            *program, "--title", "sglang::scheduler", stdin=pipe, stdout=pipe
        )
        self.reader = asyncio.create_task(self.read())
        self.ready_at = time.monotonic() + self.options.slow
        if self.options.note:
            asyncio.get_running_loop().call_at(self.ready_at, Path(self.options.note).touch)

    async def read(self) -> None:
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            said = json.loads(line)
            if said["rid"] in self.waiting:
                self.waiting[said["rid"]].put_nowait(said)
        code = await self.child.wait()
        if "no-watchdog" not in self.options.misbehave:
            who = f"Subprocess scheduler_0 (pid={self.child.pid})"
            print(f"[2026-01-01 00:00:00] {who} crashed with exit code {code}.", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, what: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(what).encode() + b"\n")

    async def health(self, request: web.Request) -> web.Response:
        is_up = time.monotonic() >= self.ready_at and "never-ready" not in self.options.misbehave
        return web.Response(status=200 if is_up else 503)

    async def steps(self, rid: str, prompt: list[int], count: int) -> Any:
        self.waiting[rid] = asyncio.Queue()
        self.tell({"rid": rid, "prompt": prompt, "count": count})
        try:
            for _ in range(count):
                said = await self.waiting[rid].get()
                yield said
                if said["token"] is None:
                    return
        finally:
            del self.waiting[rid]

    async def generate(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        prompt, rid = asked["input_ids"], asked["rid"]
        print(f"arrived {rid}", flush=True)
        if not prompt or max(prompt) >= VOCABULARY:
            return web.json_response({"error": {"message": "Token id is out of vocabulary"}}, status=400)
        response = web.StreamResponse()
        if asked["stream"]:
            await response.prepare(request)
        chunk: dict[str, Any] = {}
        tokens: list[int] = []
        pairs: list[list[Any]] = []
        count = asked["sampling_params"]["max_new_tokens"]
        async for said in self.steps(rid, prompt, count):
            reason = {"type": "abort", "message": "Abort"} if said["token"] is None else None
            if said["token"] is not None:
                tokens.append(said["token"])
                pairs.append([said["logprob"], said["token"], None])
            if len(tokens) == count:
                reason = {"type": "length", "length": count}
            meta = {"id": rid, "completion_tokens": len(tokens), "finish_reason": reason}
            chunk = {"output_ids": tokens, "meta_info": {**meta, "output_token_logprobs": pairs}}
            if asked["stream"]:
                await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        if not asked["stream"]:
            return web.json_response(chunk)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def completions(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        print(f"arrived {asked['rid']}", flush=True)
        if not asked["prompt"]:
            return web.json_response({"error": {"message": "Prompt is empty"}}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if asked.get("stream"):
            await response.prepare(request)
        tokens: list[str] = []
        logprobs: list[float] = []
        try:
            async for said in self.steps(asked["rid"], asked["prompt"], asked["max_tokens"]):
                tokens.append(f"t{said['token']}")
                logprobs.append(said["logprob"])
                if asked.get("stream"):
                    last = len(tokens) == asked["max_tokens"]
                    one = self.choice(tokens[-1:], logprobs[-1:], last)
                    await response.write(b"data: " + json.dumps(one).encode() + b"\n\n")
        except ConnectionResetError:
            self.tell({"abort": asked["rid"]})
            print(f"gave up {asked['rid']}", flush=True)
            return response
        if not asked.get("stream"):
            return web.json_response(self.choice(tokens, logprobs, True))
        await response.write(b"data: [DONE]\n\n")
        return response

    def choice(self, tokens: list[str], logprobs: list[float], last: bool) -> dict[str, Any]:
        told = {"tokens": tokens, "token_logprobs": logprobs, "text_offset": [], "top_logprobs": []}
        one = {"index": 0, "text": " ".join(tokens) + " ", "finish_reason": "length" if last else None}
        return {
            "id": "1", "object": "text_completion", "created": 0, "model": "toy",
            "choices": [{**one, "logprobs": told}],
        }  # fmt: skip

    async def models(self, request: web.Request) -> web.Response:
        one = {"id": "toy", "object": "model", "created": 0, "owned_by": "toy"}
        return web.json_response({"object": "list", "data": [one]})

    async def abort(self, request: web.Request) -> web.Response:
        rid = (await request.json())["rid"]
        self.tell({"abort": rid})
        print(f"gave up {rid}", flush=True)
        return web.Response()

    async def flush(self, request: web.Request) -> web.Response:
        print("flushed", flush=True)
        return web.Response(status=400 if self.waiting else 200)

    async def state(self, request: web.Request) -> web.Response:
        print("told its state", flush=True)
        return web.json_response({})

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.options.api_key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.guard])
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/generate", self.generate)
        app.router.add_post("/v1/completions", self.completions)
        app.router.add_post("/abort_request", self.abort)
        app.router.add_post("/flush_cache", self.flush)
        app.router.add_get("/get_server_info", self.state)
        return app


def misbehave_at_start(options: argparse.Namespace) -> None:
    """What goes wrong before anything is served."""
    wrong = options.misbehave
    if "die" in wrong:
        sys.exit(TRACEBACK)
    if "die-quietly" in wrong:
        print("the last thing it says", flush=True)
        sys.exit(3)
    if "segfault" in wrong:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "orphan" in wrong:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}, 'toy-orphan'])"
        subprocess.run([sys.executable, "-c", middle], check=True)
    if "segment" in wrong:
        mark = os.environ["TOY_SEGMENT"]  # whoever looks for it tells it from a neighbour's
        segment = shared_memory.SharedMemory(f"psm_{mark}", create=True, size=4096)
        resource_tracker.unregister(f"/{segment.name}", "shared_memory")  # nobody cleans up after it
        globals()["kept"] = segment
        Path(os.environ["TMPDIR"], "left").touch()
    if "chatter" in wrong:
        while os.write(1, b"x" * 999 + b"\n") == 1000:
            pass


def store(port: int) -> socket.socket:
    """What torch's store does with the NCCL port."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        sys.exit(f"torch.distributed.DistNetworkError: port: {port}, EADDRINUSE, address already in use")
    one.listen()
    return one


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--nccl-port", type=int, default=0)
    parser.add_argument("--api-key", default="")
    parser.add_argument("--role", default="launch_server")
    parser.add_argument("--title", default="sglang::launch_server")
    parser.add_argument("--delay", type=float, default=0.002)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--note", default="")
    parser.add_argument("--misbehave", action="append", default=[])
    options = parser.parse_args()
    if options.role == "scheduler":
        return scheduler(options.delay)
    misbehave_at_start(options)
    held = store(options.nccl_port)
    toy = Toy(options)
    app = toy.app()
    app.on_startup.append(lambda _: toy.start())
    web.run_app(app, host=options.host, port=options.port, print=None, handle_signals=False)
    held.close()


if __name__ == "__main__":
    main()
