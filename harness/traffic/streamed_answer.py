"""An answer while it comes in: chunks may repeat what came before, or continue it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.observation.normalise import message
from harness.traffic.answers import Answer, Trouble
from harness.traffic.prompts import Request


@dataclass
class StreamedAnswer:
    """What has come of one request so far."""

    request: Request
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: str | None = None
    status: int | None = None
    trouble: Trouble | None = None
    error: str | None = None
    given_up: bool = False

    @property
    def is_to_be_given_up(self) -> bool:
        limit = self.request.abort_after
        return limit is not None and not self.given_up and len(self.tokens) >= limit

    def add_native(self, chunk: Mapping[str, Any]) -> None:
        """One object of `/generate`: all tokens so far, or with incremental streaming the new ones."""
        if "error" in chunk:
            return self.fail("failed", str(chunk["error"]))
        meta = chunk["meta_info"]
        total = meta["completion_tokens"]
        _extend(self.tokens, chunk.get("output_ids") or [], total)
        pairs = meta.get("output_token_logprobs") or []
        _extend(self.logprobs, [_number(pair[0]) for pair in pairs], total)
        if reason := meta.get("finish_reason"):
            self.end(reason["type"], str(reason.get("message", "")))

    def end(self, reason: str, told: str = "") -> None:
        """Notes why the answer is over: an abort that we did not ask for is a failure."""
        self.finish = reason
        if reason == "abort" and not self.given_up:
            self.fail("failed", told or "aborted by the server")

    def fail(self, trouble: Trouble, error: str) -> None:
        """Notes what went wrong; the first thing counts."""
        self.trouble = self.trouble or trouble
        self.error = self.error or message(error)

    def answer(self) -> Answer:
        return Answer(
            rid=self.request.rid,
            prompt_ids=self.request.prompt_ids,
            tokens=tuple(self.tokens),
            logprobs=tuple(self.logprobs),
            finish="abort" if self.given_up else self.finish,
            status=self.status,
            trouble=self.trouble,
            error=self.error,
            given_up=self.request.abort_after is not None,
        )


def _extend(known: list[Any], new: Sequence[Any], total: int) -> None:
    """Takes `new` as the whole if it is as long as the whole has to be, else as what follows."""
    if len(new) >= total:
        known[:] = new
    else:
        known += new


def _number(value: float | None) -> float:
    """JSON has no NaN: upstream's encoder writes null."""
    return float("nan") if value is None else float(value)
