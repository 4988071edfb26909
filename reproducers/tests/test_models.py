"""The tiny models, as upstream serves them: right by their reference, and sensitive to their KV cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.models import make
from harness.models.reference import Reference
from reproducers.tests import sensitivity

REQUESTS, TOKENS = 3, 6


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-swa"])
def test_a_served_model_agrees_with_its_reference_and_notices_an_overwritten_page(
    name: str, tmp_path: Path
) -> None:
    model = make(name, tmp_path / "models")
    with sensitivity.serving(model, tmp_path / "served") as server:
        asked = sensitivity.prompts(REQUESTS, seed=1)
        answers = sensitivity.ask(server, asked, [f"right.{n}" for n in range(REQUESTS)], TOKENS)
        found = sensitivity.trials(server, REQUESTS, seed=2, tokens=TOKENS)
    reference = Reference(model)
    for answer in answers:
        scored = reference.score(answer.prompt, answer.tokens)
        assert scored.greedy == answer.tokens
        assert answer.logprobs == pytest.approx(scored.logprobs, abs=1e-4)
    assert all(trial.is_noticed for trial in found)


def test_upstream_still_decodes_with_a_window_one_token_short(tmp_path: Path) -> None:
    model = make("tiny-swa", tmp_path / "models")
    asked = sensitivity.prompts(1, seed=1)
    with sensitivity.serving(model, tmp_path / "served") as server:
        (answer,) = sensitivity.ask(server, asked, ["short"], TOKENS)
    as_written = Reference(model, decoded_short=0).score(answer.prompt, answer.tokens)
    assert answer.logprobs[0] == pytest.approx(as_written.logprobs[0], abs=1e-4)
    assert answer.logprobs[1:] != pytest.approx(as_written.logprobs[1:], abs=1e-4)
