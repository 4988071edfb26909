"""The tiny models, as upstream serves them: right by their reference, and sensitive to their KV cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.models import make
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


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-swa"])
def test_a_served_model_agrees_with_its_reference_and_notices_an_overwritten_page(
    name: str, tmp_path: Path, pool: Pool
) -> None:
    answers, found = served(pool, name, tmp_path, range(REQUESTS), right=REQUESTS)
    reference = Reference(make(name, tmp_path / "models"))
    for answer in answers:
        scored = reference.score(answer.prompt, answer.tokens)
        assert scored.greedy == answer.tokens
        assert answer.logprobs == pytest.approx(scored.logprobs, abs=1e-4)
    assert len(answers) == len(found) == REQUESTS
    assert all(trial.is_noticed for trial in found)


def test_upstream_still_decodes_with_a_window_one_token_short(tmp_path: Path, pool: Pool) -> None:
    (answer,), _ = served(pool, "tiny-swa", tmp_path, range(0), right=1)
    model = make("tiny-swa", tmp_path / "models")
    as_written = Reference(model, decoded_short=0).score(answer.prompt, answer.tokens)
    assert answer.logprobs[0] == pytest.approx(as_written.logprobs[0], abs=1e-4)
    assert answer.logprobs[1:] != pytest.approx(as_written.logprobs[1:], abs=1e-4)
