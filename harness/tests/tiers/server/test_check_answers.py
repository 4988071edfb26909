"""Answers held against the reference: the real one, of the smallest model, on prompts of a few tokens."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.facts import Sampling, Tolerance
from harness.models import Model, make
from harness.models.reference import Reference
from harness.tests.toyland.bench import subject
from harness.tiers.server.check_answers import Judged, judge
from harness.traffic.answers import Answer
from harness.traffic.drive import Driven

PROMPTS = ((5, 6, 7, 8), (9, 10, 11))
CASE = subject("config_toy").server
assert CASE is not None
_CASE = replace(CASE, tolerance=Tolerance(absolute=1e-3, relative=0.0, reason="a test"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make("tiny-llama", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def right(model: Model) -> tuple[Answer, ...]:
    """What the model answers to each prompt: three tokens."""
    reference = Reference(model)
    return tuple(_greedy(reference, f"r0-{number:03d}", prompt) for number, prompt in enumerate(PROMPTS))


def _greedy(reference: Reference, rid: str, prompt: tuple[int, ...]) -> Answer:
    tokens: tuple[int, ...] = ()
    for _ in range(3):
        tokens += reference.score(prompt, (*tokens, 0)).greedy[-1:]
    logprobs = reference.score(prompt, tokens).logprobs
    return Answer(rid=rid, prompt_ids=prompt, tokens=tokens, logprobs=logprobs, finish="length", status=200)


def judged(model: Model, *answers: Answer, **more: Any) -> Judged:
    return judge(Driven(rounds=(answers,), **more), model, _CASE.tolerance)


def kinds(found: Judged) -> list[tuple[str, str | None]]:
    return [(fault.kind, fault.buffer) for fault in found.faults]


def test_right_answers_have_no_fault_and_are_kept(model: Model, right: tuple[Answer, ...]) -> None:
    found = judged(model, *right)
    assert found.faults == () and found.notes == ()
    assert list(found.requests) == ["r0-000", "r0-001"]
    assert found.requests["r0-000"]["tokens"] == list(right[0].tokens)
    compared = found.compared["answers"]
    assert (compared["requests"], compared["elements"], compared["max_abs"]) == (2, 6, 0.0)
    assert compared["least_margin"] > 0


def test_a_wrong_token_is_told_once_where_it_begins(model: Model, right: tuple[Answer, ...]) -> None:
    first, second = right
    wrong = replace(first, tokens=(first.tokens[0], first.tokens[1] + 1, *first.tokens[2:]))
    found = judged(model, wrong, second)
    assert kinds(found) == [("wrong-value", "tokens")]
    due, seen = first.tokens[1], wrong.tokens[1]
    assert found.notes[0].startswith(f"r0-000: token 1 is {seen}, the float64 reference's is {due}, ")


def test_a_drawn_token_is_wrong_only_where_sampling_rules_it_out(
    model: Model, right: tuple[Answer, ...]
) -> None:
    sampling, reference = Sampling(seed=1, top_k=3), Reference(model)
    ranked = _ranked(reference, PROMPTS[0])
    for rank, faults in ((2, []), (3, [("wrong-value", "tokens")])):
        tokens = (ranked[rank],)
        logprobs = reference.score(PROMPTS[0], tokens).logprobs
        answer = replace(right[0], tokens=tokens, logprobs=logprobs)
        found = judge(Driven(rounds=((answer,),)), model, _CASE.tolerance, sampling=sampling)
        assert kinds(found) == faults
    assert found.notes[0].startswith(f"r0-000: token 0 is {ranked[3]}, in the float64 reference ")
    assert found.notes[0].endswith(" below all that may be drawn")


def _ranked(reference: Reference, prompt: tuple[int, ...]) -> list[int]:
    """All words, the likeliest first."""
    chances = {word: reference.score(prompt, (word,)).logprobs[0] for word in range(256)}
    return sorted(chances, key=lambda word: -chances[word])


def test_a_log_probability_beyond_the_tolerance_is_a_fault(model: Model, right: tuple[Answer, ...]) -> None:
    first, second = right
    off = replace(first, logprobs=(first.logprobs[0] - 2e-3, *first.logprobs[1:]))
    found = judged(model, off, second)
    assert kinds(found) == [("wrong-value", "logprobs")] and "r0-000: token 0" in found.notes[0]
    within = replace(first, logprobs=(first.logprobs[0] - 5e-4, *first.logprobs[1:]))
    near = judged(model, within, second)
    assert near.faults == () and near.compared["answers"]["max_abs"] == pytest.approx(5e-4, rel=1e-2)


def test_a_log_probability_that_is_off_beside_a_wrong_token_is_a_note(
    model: Model, right: tuple[Answer, ...]
) -> None:
    reference = Reference(model)
    unlikely = (_ranked(reference, PROMPTS[0])[-1], *right[0].tokens[1:])
    wrong = replace(right[0], tokens=unlikely, logprobs=reference.score(PROMPTS[0], unlikely).logprobs)
    off = replace(right[1], logprobs=(right[1].logprobs[0] - 2e-3, *right[1].logprobs[1:]))
    found = judged(model, wrong, off)
    assert kinds(found) == [("wrong-value", "tokens")]
    assert [note.partition(":")[0] for note in found.notes] == ["r0-000", "r0-001"]


def test_a_log_probability_that_is_no_number_is_a_fault_of_its_own(
    model: Model, right: tuple[Answer, ...]
) -> None:
    lost = replace(right[0], logprobs=(math.nan, *right[0].logprobs[1:]))
    assert ("nan", "logprobs") in kinds(judged(model, lost, right[1]))


def test_another_answer_alone_than_in_a_batch_is_a_fault(model: Model, right: tuple[Answer, ...]) -> None:
    alone = replace(right[0], rid="alone-000")
    assert judged(model, *right, alone=(alone,)).faults == ()
    other = replace(alone, tokens=(*alone.tokens[:2], alone.tokens[2] + 1))
    found = judged(model, *right, alone=(other,))
    assert [fault.message for fault in found.faults] == [None, "other in a batch than alone"]


@pytest.mark.parametrize("trouble", ["rejected", "failed"])
def test_a_refused_request_is_an_exception(trouble: Any, model: Model, right: tuple[Answer, ...]) -> None:
    refused = replace(right[0], tokens=(), logprobs=(), finish=None, trouble=trouble, error="no such token")
    found = judged(model, refused, right[1])
    assert [fault.signature for fault in found.faults] == ["exception answer (no such token)"]


def test_what_was_given_up_or_lost_is_compared_with_nothing(model: Model, right: tuple[Answer, ...]) -> None:
    given_up = replace(right[0], tokens=(1, 2), logprobs=(-1.0, -1.0), finish="abort", given_up=True)
    lost = replace(right[1], tokens=(), logprobs=(), finish=None, trouble="lost", error="gone")
    found = judged(model, given_up, lost)
    assert found.faults == () and list(found.requests) == ["r0-001"]  # who lost it has its own fault


def test_of_earlier_rounds_only_trouble_counts(model: Model, right: tuple[Answer, ...]) -> None:
    wrong = replace(right[0], tokens=tuple(token + 1 for token in right[0].tokens))
    assert judge(Driven(rounds=((wrong,), right)), model, _CASE.tolerance).faults == ()
    failed = replace(wrong, trouble="failed", error="gone")
    found = judge(Driven(rounds=((failed,), right)), model, _CASE.tolerance)
    assert kinds(found) == [("exception", "answer")]
