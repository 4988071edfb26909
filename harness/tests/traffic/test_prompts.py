"""A traffic's requests: all from the seed, and as the record says."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.facts import Sampling, Traffic
from harness.traffic import native
from harness.traffic.prompts import SPECIAL_TOKENS, requests

PLAIN = Traffic(requests=12, prompt_tokens=(8, 20), output_tokens=6)


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    fewest = draw(st.integers(1, 12))
    count = draw(st.integers(1, 9))
    return Traffic(
        requests=count,
        prompt_tokens=(fewest, fewest + draw(st.integers(0, 9))),
        output_tokens=draw(st.integers(1, 9)),
        seed=draw(st.integers(0, 99)),
        shared_prefix=draw(st.integers(0, fewest)),
        aborts=draw(st.integers(0, count - 1)),
        stream=draw(st.sampled_from(["none", "some", "all"])),
        endpoint=draw(st.sampled_from(["native", "openai", "both"])),
    )


@given(traffics())
def test_requests_are_as_the_record_says(traffic: Traffic) -> None:
    asked = requests(traffic, 64)
    assert asked == requests(traffic, 64)
    assert len({one.rid for one in asked}) == traffic.requests
    fewest, most = traffic.prompt_tokens
    for one in asked:
        assert fewest <= len(one.prompt_ids) <= most
        assert one.prompt_ids[: traffic.shared_prefix] == asked[0].prompt_ids[: traffic.shared_prefix]
        assert all(SPECIAL_TOKENS <= token < 64 for token in one.prompt_ids)
        assert one.abort_after is None or (
            one.stream and 1 <= one.abort_after <= (traffic.output_tokens or 1)
        )
    assert sum(one.abort_after is not None for one in asked) == traffic.aborts


def test_another_seed_asks_something_else() -> None:
    other = requests(replace(PLAIN, seed=1), 64)
    assert [one.prompt_ids for one in requests(PLAIN, 64)] != [one.prompt_ids for one in other]


def test_rounds_ask_the_same_under_other_names() -> None:
    first, second = requests(PLAIN, 64, "r0"), requests(PLAIN, 64, "r1")
    assert [one.prompt_ids for one in first] == [one.prompt_ids for one in second]
    assert {one.rid for one in first}.isdisjoint(one.rid for one in second)


def test_lengths_are_mixed() -> None:
    assert len({len(one.prompt_ids) for one in requests(PLAIN, 64)}) > 3


def test_all_requests_are_drawn_as_the_traffic_says() -> None:
    drawn = requests(replace(PLAIN, sampling=Sampling(seed=5, temperature=0.7, top_k=9)), 64)
    told = {"temperature": 0.7, "top_k": 9, "sampling_seed": 5}
    assert all(one.drawn == told for one in drawn)
    assert native.body(drawn[0])["sampling_params"] == {**told, "max_new_tokens": 6, "ignore_eos": True}
    greedy = native.body(requests(PLAIN, 64)[0])["sampling_params"]
    assert greedy == {"temperature": 0.0, "max_new_tokens": 6, "ignore_eos": True}


def test_requests_need_not_state_how_many_tokens_they_want() -> None:
    (first, *_) = requests(replace(PLAIN, output_tokens=None), 64)
    assert native.body(first)["sampling_params"] == {"temperature": 0.0, "ignore_eos": True}


def test_each_endpoint_gets_streams_and_whole_answers() -> None:
    asked = requests(replace(PLAIN, stream="some", endpoint="both"), 64)
    kinds = {(one.endpoint, one.stream) for one in asked}
    assert kinds == {("native", False), ("native", True), ("openai", False), ("openai", True)}
