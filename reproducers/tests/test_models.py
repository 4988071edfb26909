"""The tiny models, as upstream serves them: right by their reference, and sensitive to their KV cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.models import Model, make
from harness.models.reference import Reference
from harness.process.pool import Pool
from reproducers.tests import sensitivity
from reproducers.tests.sensitivity import Answered, Trial

REQUESTS, TOKENS = 3, 6


def served(
    pool: Pool, name: str, folder: Path, numbers: range, **also: Any
) -> tuple[list[Answered], list[Trial]]:
    """Plain answers of a model's server, and its trials of these numbers."""
    job = sensitivity.job(name, folder / "models", folder / "arm", numbers, 2, tokens=TOKENS, **also)
    ended = pool.submit(job).result()
    assert ended.result is not None, f"{ended.exit} (log: {ended.log})"
    assert not ended.leftovers
    answers = [Answered(*map(tuple, one.values())) for one in ended.result["right"]]
    return answers, sensitivity.read_trials(folder / "arm")


class Asked(NamedTuple):
    """What the server of a model answered, and what it noticed."""

    model: Model
    answers: list[Answered]
    trials: list[Trial]


def asked(name: str, folder: Path, pool: Pool) -> Asked:
    answers, found = served(pool, name, folder, range(REQUESTS), right=REQUESTS)
    return Asked(make(name, folder / "models"), answers, found)


@pytest.fixture(scope="module")
def swa(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> Asked:
    return asked("tiny-swa", tmp_path_factory.mktemp("swa"), pool)


def hold(model: Model, answers: list[Answered], found: list[Trial]) -> None:
    reference = Reference(model)
    for answer in answers:
        scored = reference.score(answer.prompt, answer.tokens)
        assert scored.greedy == answer.tokens
        assert answer.logprobs == pytest.approx(scored.logprobs, abs=1e-4)
    assert len(answers) == len(found) == REQUESTS
    assert all(trial.is_noticed for trial in found)


def test_a_served_model_agrees_with_its_reference_and_notices_an_overwritten_page(swa: Asked) -> None:
    hold(*swa)


@pytest.mark.nightly
def test_so_does_a_model_without_a_window(tmp_path: Path, pool: Pool) -> None:
    hold(*asked("tiny-llama", tmp_path, pool))


def test_upstream_still_decodes_with_a_window_one_token_short(swa: Asked) -> None:
    answer = swa.answers[0]
    as_written = Reference(swa.model, decoded_short=0).score(answer.prompt, answer.tokens)
    assert answer.logprobs[0] == pytest.approx(as_written.logprobs[0], abs=1e-4)
    assert answer.logprobs[1:] != pytest.approx(as_written.logprobs[1:], abs=1e-4)
