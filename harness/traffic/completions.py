"""The openai client on `/v1/completions`; what it gives as text is read back into token ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import httpx
import openai
from openai.types import Completion

from harness.traffic.streamed_answer import StreamedAnswer

_SENT: ContextVar[asyncio.Event] = ContextVar("sent")
_NAMED = {"sampling_seed": "seed"}
"""Sampling parameters that this interface calls otherwise."""
_TEXT_IS_WORDS = "every token of the models of harness.models is one word"


def client(url: str, key: str) -> openai.AsyncOpenAI:
    """A client that never retries, and waits for as long as it takes."""
    limits = httpx.Limits(max_connections=None)
    hooks = {"request": [_trace]}
    transport = httpx.AsyncClient(limits=limits, timeout=None, trust_env=False, event_hooks=hooks)
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=transport)


async def _trace(request: httpx.Request) -> None:
    """Has httpcore tell when the body was sent (its extension `trace`)."""
    sent = _SENT.get(None)
    if sent is None:
        return

    async def note(name: str, info: Mapping[str, Any]) -> None:
        if name.endswith("send_request_body.complete"):
            sent.set()

    request.extensions["trace"] = note


async def model_name(one: openai.AsyncOpenAI) -> str:
    """What the server calls its model."""
    return (await one.models.list()).data[0].id


async def complete(
    one: openai.AsyncOpenAI,
    model: str,
    vocabulary: Mapping[str, int],
    streamed: StreamedAnswer,
    sent: asyncio.Event,
    moved: Callable[[], None],
) -> None:
    """Fills `streamed`; `moved` is called whenever something came. `vocabulary` has the id of each word.

    A request that is to be given up is given up by closing its connection.
    """
    _SENT.set(sent)
    request = streamed.request
    drawn = {_NAMED.get(name, name): value for name, value in request.drawn.items()}
    extra = {"rid": request.rid, "ignore_eos": True, "skip_special_tokens": False, **drawn}
    asked: dict[str, Any] = {"extra_body": extra, "max_tokens": request.output_tokens}
    if request.logprobs:
        asked["logprobs"] = 0  # that of the chosen token alone
    prompt = list(request.prompt_ids)
    try:
        if not request.stream:
            answer = await one.completions.create(model=model, prompt=prompt, **asked)
            streamed.status = 200
            return _add(streamed, answer, vocabulary)
        async with await one.completions.create(model=model, prompt=prompt, stream=True, **asked) as chunks:
            streamed.status = 200
            async for chunk in chunks:
                moved()
                _add(streamed, chunk, vocabulary)
                if streamed.is_to_be_given_up:
                    streamed.given_up = True
                    break
    except openai.APIStatusError as error:
        streamed.status = error.status_code
        streamed.fail("rejected" if error.status_code < 500 else "failed", _told(error))
    except openai.APIConnectionError as error:
        streamed.fail("lost", f"{type(error.__cause__ or error).__name__}")
    except openai.APIError as error:  # in mid-stream
        streamed.fail("failed", error.message)


def _told(error: openai.APIStatusError) -> str:
    """The server's own words, where its body has them."""
    body = error.body
    return str(body.get("message", error.message)) if isinstance(body, dict) else error.message


def _add(streamed: StreamedAnswer, completion: Completion, vocabulary: Mapping[str, int]) -> None:
    for choice in completion.choices:
        if streamed.request.logprobs:
            # In a stream the text comes later than the tokens do, so it is not looked at.
            told = choice.logprobs
            streamed.tokens += _ids(told.tokens or [] if told else [], vocabulary)
            values = told.token_logprobs or [] if told else []
            streamed.logprobs += [float("nan") if value is None else value for value in values]
        else:
            streamed.text += choice.text or ""
            streamed.tokens[:] = _ids(streamed.text.split(), vocabulary)
        if choice.finish_reason:
            # The client's type has no `abort`, which upstream sends where it gave up a request.
            streamed.end(str(choice.finish_reason))


def _ids(words: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    """Raises ValueError for a word that is no token: the text was not what the model said."""
    strangers = [word for word in words if word.strip() not in vocabulary]
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no token, but {_TEXT_IS_WORDS}")
    return [vocabulary[word.strip()] for word in words]
