"""The reference scores what it is given, and the models are as sensitive as they are meant to be."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.facts import Sampling
from harness.models import NAMES, make
from harness.models.reference import Reference, score

PAGE, TOKENS, SEQUENCES = 16, 96, 8
FIRST_WORD = 3


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make(request.param, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def reference(model: Any) -> Reference:
    return Reference(model, decoded_short=0)


def prompts(vocab_size: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(7)
    return torch.randint(FIRST_WORD, vocab_size, (SEQUENCES, TOKENS), generator=draw)


def test_scores_are_those_of_the_logits_one_position_earlier(model: Any, reference: Reference) -> None:
    ids = prompts(model.vocab_size)[0]
    scored = reference.score(ids[:90].tolist(), ids[90:].tolist())
    with torch.inference_mode():
        for place in range(6):
            last = reference.network(ids[None, : 90 + place]).logits[0, -1].log_softmax(-1)
            assert scored.greedy[place] == last.argmax().item()
            assert scored.logprobs[place] == pytest.approx(last[ids[90 + place]].item(), abs=1e-4)
            best = last.topk(2).values
            assert scored.margins[place] == pytest.approx((best[0] - best[1]).item(), abs=1e-4)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=1, top_k=5),
        Sampling(seed=1, top_p=0.6),
        Sampling(seed=1, min_p=0.2),
        Sampling(seed=1, temperature=2.0, top_k=40, top_p=0.7, min_p=0.05),
        Sampling(seed=1),
    ],
    ids=["top-k", "top-p", "min-p", "all", "none"],
)
def test_tokens_fall_short_of_what_sampling_allows(sampling: Sampling, reference: Reference) -> None:
    """Held against each token of the vocabulary in turn, by the definitions written out."""
    ids = prompts(reference.network.config.vocab_size)[0, :12]
    with torch.inference_mode():
        logits = reference.network(ids[None]).logits[0, -1].double()
    shares = (logits / sampling.temperature).softmax(-1).tolist()
    ranked = sorted(range(len(shares)), key=lambda word: -shares[word])
    before = 0.0
    for rank, word in enumerate(ranked):
        fits = (rank < (sampling.top_k or len(shares))) and before <= sampling.top_p
        fits = fits and shares[word] >= shares[ranked[0]] * sampling.min_p
        before += shares[word]
        if rank in (0, 1, 4, 5, 30, 60, 200) or fits:
            score = reference.score(ids.tolist(), [word], sampling)
            assert (score.shortfalls[0] <= 1e-9) is fits, (rank, word)
            assert score.logprobs[0] == pytest.approx(math.log(shares[word]), abs=1e-6)


def test_a_single_score_is_the_same(tmp_path: Path) -> None:
    model = make("tiny-llama", tmp_path)
    assert score(model, [5, 6, 7], [8, 9]) == Reference(model).score([5, 6, 7], [8, 9])


def test_no_special_token_is_ever_the_best(model: Any, reference: Reference) -> None:
    with torch.inference_mode():
        best = reference.network(prompts(model.vocab_size)).logits.argmax(-1)
    assert best.min() >= FIRST_WORD
    assert len(best.unique()) > 50  # the answers are many, not a constant text


def test_float32_agrees_on_every_token_and_on_log_probabilities(model: Any, reference: Reference) -> None:
    single = Reference(model, torch.float32, decoded_short=0)
    with torch.inference_mode():
        ids = prompts(model.vocab_size)
        double, rounded = (each.network(ids).logits.double().log_softmax(-1) for each in (reference, single))
    assert torch.equal(double.argmax(-1), rounded.argmax(-1))
    assert (double.max(-1).values - rounded.max(-1).values).abs().max() < 1e-4


@pytest.mark.parametrize("page", [0, 2, 5])
def test_another_page_of_keys_and_values_changes_the_next_log_probability(
    model: Any, reference: Reference, page: int
) -> None:
    ids = prompts(model.vocab_size)
    with torch.inference_mode():
        before = reference.network(ids[:, :-1], use_cache=True).past_key_values
        spoilt = copy.deepcopy(before)
        _overwrite(spoilt, page)
        clean, changed = (
            reference.network(ids[:, -1:], past_key_values=cache).logits[:, -1].log_softmax(-1)
            for cache in (before, spoilt)
        )
    assert (clean - changed).abs().amax(-1).min() > 1e-2


def _overwrite(cache: Any, page: int) -> None:
    """The page's keys and values become those of other positions, wherever they are still held."""
    for layer in cache.layers:
        for held in (layer.keys, layer.values):
            begin = page * PAGE - (TOKENS - 1 - held.shape[2])
            if begin >= 0:
                end = min(begin + PAGE, held.shape[2])
                held[:, :, begin:end] = held.roll(PAGE + 3, dims=2)[:, :, begin:end].clone()


def test_the_shorter_window_of_decoded_tokens_changes_them_and_nothing_else(tmp_path: Path) -> None:
    model = make("tiny-swa", tmp_path)
    ids = prompts(model.vocab_size)[0].tolist()
    as_served, as_written = (Reference(model, decoded_short=short) for short in (1, 0))
    scores = [each.score(ids[:80], ids[80:]) for each in (as_served, as_written)]
    apart = [abs(a - b) for a, b in zip(*(each.logprobs for each in scores), strict=True)]
    assert apart[0] < 1e-6  # the first token follows from the prompt alone
    assert min(apart[1:]) > 1e-6
    short = [each.score(ids[:10], ids[10:20]).logprobs for each in (as_served, as_written)]
    assert short[0] == pytest.approx(short[1], abs=1e-6)  # nothing has left the window yet


def test_transformers_own_window_is_the_one_that_is_laid_out_here(tmp_path: Path) -> None:
    model = make("tiny-swa", tmp_path)
    ids = prompts(model.vocab_size)[0].tolist()
    own = Reference(model, decoded_short=0).score(ids[:80], ids[80:])
    laid_out = Reference(model, decoded_short=1).score(ids[:-1], ids[-1:])
    assert own.logprobs[-1:] == pytest.approx(laid_out.logprobs, abs=1e-6)
