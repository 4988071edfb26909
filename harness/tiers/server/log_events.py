"""Lets a server's process report as data what it logs of failures, and exceptions that nobody caught.

A record keeps its level and its origin; the text of what clients sent is in records below WARNING, which
are left out.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from typing import Any

Write = Callable[[Mapping[str, Any]], None]
_TRACEBACK = "Traceback (most recent call last):"
_GAVE_UP = re.compile(r"hit an exception|in ASGI application|never retrieved|[Uu]nhandled|[Uu]ncaught")
"""Records of those that catch whatever nobody else did: upstream's processes, uvicorn, asyncio."""
_LONGEST = 1 << 16


def report(write: Write) -> tuple[str, ...]:
    """Report to `write` from now on; what was changed, for the attestation."""
    _exceptions(write)
    _threads(write)
    _processes(write)
    _records(write)
    return (
        "sys.excepthook, threading.excepthook, BaseProcess.run: report what nobody caught",
        "logging.Logger.handle: reports warnings and errors",
    )


def _uncaught(error: BaseException, origin: str, ends: bool) -> dict[str, Any]:
    text = "".join(traceback.format_exception(error))[-_LONGEST:]
    return {"event": "uncaught", "level": "ERROR", "origin": origin, "ends": ends, "text": text}


def _exceptions(write: Write) -> None:
    original = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if isinstance(error, Exception):
            write(_uncaught(error, "sys.excepthook", True))
        original(kind, error, trace)

    sys.excepthook = excepthook


def _threads(write: Write) -> None:
    original = threading.excepthook

    def excepthook(told: Any) -> None:
        if isinstance(told.exc_value, Exception):
            write(_uncaught(told.exc_value, f"thread {told.thread.name if told.thread else '?'}", False))
        original(told)

    threading.excepthook = excepthook


def _processes(write: Write) -> None:
    original = BaseProcess.run

    def run(self: BaseProcess) -> None:
        try:
            original(self)
        except Exception as error:
            write(_uncaught(error, "multiprocessing", True))
            raise

    BaseProcess.run = run  # type: ignore[method-assign]


def _records(write: Write) -> None:
    original = logging.Logger.handle

    def handle(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            write(told(record))
        original(self, record)

    logging.Logger.handle = handle  # type: ignore[method-assign]


def told(record: logging.LogRecord) -> dict[str, Any]:
    """A record as data: with the exception's traceback only where its writer gave up on it."""
    text = _message(record).partition(_TRACEBACK)[0]
    error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
    if error is not None and _GAVE_UP.search(text):
        # Its own line, as the record's would be: the heading tells who saw it.
        text = f"{text.rstrip()} {''.join(traceback.format_exception(error))}"
    origin = f"{record.name}:{record.funcName}"
    return {"event": "record", "level": record.levelname, "origin": origin, "text": text[:_LONGEST]}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)  # logging itself tells of arguments that do not fit
