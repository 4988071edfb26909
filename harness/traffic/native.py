"""Upstream's own endpoint, `/generate`: token ids in, token ids and log-probabilities out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp

from harness.traffic.prompts import Request
from harness.traffic.streamed_answer import StreamedAnswer

_LONGEST_LINE = 1 << 22
"""Bytes: each chunk of a stream repeats all log-probabilities before it."""


def session(url: str, key: str) -> aiohttp.ClientSession:
    """A client whose requests set their `sent` event once the body is on its way."""
    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(_note_sent)
    return aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[trace],
        read_bufsize=_LONGEST_LINE,
    )


async def _note_sent(
    session: aiohttp.ClientSession, context: SimpleNamespace, sent: aiohttp.TraceRequestChunkSentParams
) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.set()


def body(request: Request) -> dict[str, Any]:
    """What `/generate` gets: as many tokens as asked for, whatever they are; or whatever it gives unasked."""
    asked = {} if request.output_tokens is None else {"max_new_tokens": request.output_tokens}
    sampling = {**request.drawn, **asked, "ignore_eos": True}
    return {
        "rid": request.rid,
        "input_ids": list(request.prompt_ids),
        "sampling_params": sampling,
        "return_logprob": request.logprobs,
        "stream": request.stream,
    }


async def generate(
    client: aiohttp.ClientSession, streamed: StreamedAnswer, sent: asyncio.Event, moved: Callable[[], None]
) -> None:
    """Fills `streamed`; `moved` is called whenever something came."""
    async with client.post("/generate", json=body(streamed.request), trace_request_ctx=sent) as response:
        streamed.status = response.status
        if response.status != 200:
            return streamed.fail(
                "rejected" if response.status < 500 else "failed", _error(await response.text())
            )
        if not streamed.request.stream:
            return streamed.add_native(await response.json(content_type=None))
        async for line in response.content:
            moved()
            if chunk := _event(line):
                streamed.add_native(chunk)
            if streamed.is_to_be_given_up:
                streamed.given_up = True
                await abort(client, streamed.request.rid)


async def abort(client: aiohttp.ClientSession, rid: str) -> None:
    """Asks the server to give up one request; its stream then ends by itself."""
    async with client.post("/abort_request", json={"rid": rid}) as response:
        response.raise_for_status()


async def state(client: aiohttp.ClientSession) -> None:
    """Asks for the scheduler's state; whatever it answers, it has come to take requests again."""
    async with client.get("/get_server_info") as response:
        await response.read()


async def flush(client: aiohttp.ClientSession) -> bool:
    """Empties the prefix cache, so that the next request is computed from nothing; whether it was done."""
    async with client.post("/flush_cache") as response:
        return response.status == 200


def _event(line: bytes) -> Mapping[str, Any] | None:
    """The object of one line of server-sent events; None for what is between them and the end mark."""
    text = line.strip()
    if not text.startswith(b"data:") or text.endswith(b"[DONE]"):
        return None
    parsed: Mapping[str, Any] = json.loads(text.removeprefix(b"data:"))
    return parsed


def _error(text: str) -> str:
    """The message in an error's body, as upstream words it: `{"error": {"message": …}}`."""
    try:
        told = json.loads(text)["error"]
    except (ValueError, TypeError, KeyError):
        return text
    return str(told.get("message", told)) if isinstance(told, dict) else str(told)
