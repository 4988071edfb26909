"""Chunks of an answer, as upstream sends them with and without incremental streaming."""

from __future__ import annotations

from typing import Any

import pytest

from harness.traffic.prompts import Request
from harness.traffic.streamed_answer import StreamedAnswer

REQUEST = Request(rid="a", prompt_ids=(5,), output_tokens=3)


def chunk(ids: list[int], total: int, reason: dict[str, Any] | None = None) -> dict[str, Any]:
    pairs = [[-token / 10, token, None] for token in ids]
    meta = {"completion_tokens": total, "output_token_logprobs": pairs, "finish_reason": reason}
    return {"output_ids": ids, "meta_info": meta}


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk([4], 1), chunk([4, 5], 2), chunk([4, 5, 6], 3, {"type": "length"})],
        [chunk([4], 1), chunk([5], 2), chunk([6], 3, {"type": "length"})],
        [chunk([4, 5], 2), chunk([6], 3, {"type": "length"})],
        [chunk([4, 5, 6], 3, {"type": "length"})],
    ],
    ids=["cumulative", "incremental", "several tokens a chunk", "at once"],
)
def test_chunks_add_up(chunks: list[dict[str, Any]]) -> None:
    streamed = StreamedAnswer(REQUEST)
    for one in chunks:
        streamed.add_native(one)
    answer = streamed.answer()
    assert answer.tokens == (4, 5, 6) and answer.logprobs == (-0.4, -0.5, -0.6)
    assert answer.is_whole


def test_a_null_is_no_number() -> None:
    streamed = StreamedAnswer(REQUEST)
    one = chunk([4], 1)
    one["meta_info"]["output_token_logprobs"] = [[None, 4, None]]
    streamed.add_native(one)
    assert streamed.logprobs[0] != streamed.logprobs[0]


def test_an_abort_by_the_server_is_a_failure() -> None:
    streamed = StreamedAnswer(REQUEST)
    streamed.add_native(chunk([4], 1, {"type": "abort", "message": "too long"}))
    answer = streamed.answer()
    assert (answer.trouble, answer.error) == ("failed", "too long")


def test_an_abort_of_our_own_is_none() -> None:
    streamed = StreamedAnswer(Request(rid="a", prompt_ids=(5,), output_tokens=3, abort_after=1))
    streamed.add_native(chunk([4], 1))
    assert streamed.is_to_be_given_up
    streamed.given_up = True
    streamed.add_native(chunk([4], 1, {"type": "abort", "message": "aborted"}))
    assert streamed.answer().trouble is None and streamed.answer().given_up


def test_an_error_in_mid_stream_is_a_failure() -> None:
    streamed = StreamedAnswer(REQUEST)
    streamed.add_native({"error": {"message": "boom"}})
    assert streamed.answer().trouble == "failed" and "boom" in str(streamed.answer().error)


def test_the_first_thing_that_went_wrong_counts() -> None:
    streamed = StreamedAnswer(REQUEST)
    streamed.fail("lost", "first")
    streamed.fail("hang", "second")
    assert (streamed.trouble, streamed.error) == ("lost", "first")
