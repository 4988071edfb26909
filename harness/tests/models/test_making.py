"""Models are made whole, once, from a seed, whoever else makes them at the same time."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.errors import BadInput
from harness.facts.server import Model as Named
from harness.models import NAMES, make
from harness.models.files import SPECIALS, vocabulary


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_a_checkpoint_with_its_tokenizer(name: str, tmp_path: Path) -> None:
    model = make(name, tmp_path)
    assert (model.draft is not None) == Named(name).has_draft == (name == "tiny-llama-eagle3")
    for folder in filter(None, (model.path, model.draft)):
        config = json.loads((folder / "config.json").read_text())
        assert config["vocab_size"] == model.vocab_size
        assert config["max_position_embeddings"] == model.context_length
        assert load_file(folder / "model.safetensors")["lm_head.weight"].dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_files_and_another_one_others(name: str, tmp_path: Path) -> None:
    first, again = make(name, tmp_path / "a").path, make(name, tmp_path / "b").path
    other = make(name, tmp_path / "a", seed=1).path
    weights = [(path / "model.safetensors").read_bytes() for path in (first, again, other)]
    assert first.name == again.name != other.name
    assert weights[0] == weights[1] != weights[2]


def test_a_model_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    weights = make("tiny-llama", tmp_path).path / "model.safetensors"
    made = weights.stat().st_mtime_ns
    assert make("tiny-llama", tmp_path).path / "model.safetensors" == weights
    assert weights.stat().st_mtime_ns == made


def test_makers_at_once_leave_one_whole_model_and_nothing_else(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: make("tiny-llama-eagle3", tmp_path).path, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in paths]
    assert (paths.pop() / "draft" / "config.json").exists()


def test_making_takes_less_than_two_seconds_of_processor(tmp_path: Path) -> None:
    begun = time.process_time()
    make("tiny-llama-eagle3", tmp_path)
    assert time.process_time() - begun < 2


def test_another_dtype_is_another_model(tmp_path: Path) -> None:
    half = make("tiny-llama", tmp_path, dtype="bfloat16")
    assert half.path != make("tiny-llama", tmp_path).path
    assert load_file(half.path / "model.safetensors")["lm_head.weight"].dtype == torch.bfloat16


@pytest.mark.parametrize("wrong", [{"name": "tiny-gpt"}, {"name": "tiny-llama", "dtype": "int8"}])
def test_what_is_unknown_is_named_with_what_there_is(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there are .*(tiny-swa|bfloat16)"):
        make(wrong["name"], tmp_path, dtype=wrong.get("dtype", "float32"))


def test_a_folder_that_is_a_file_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="tiny-llama cannot be written"):
        make("tiny-llama", tmp_path / "file")


def test_words_are_unlike_each_other(tmp_path: Path) -> None:
    words = vocabulary(256)
    assert words[: len(SPECIALS)] == SPECIALS
    assert len(set(words)) == 256


def test_the_draft_knows_some_words_by_upstreams_map(tmp_path: Path) -> None:
    model = make("tiny-llama-eagle3", tmp_path)
    assert model.draft is not None
    weights = load_file(model.draft / "model.safetensors")
    known = weights["d2t"] + torch.arange(len(weights["d2t"]))
    assert weights["t2d"].nonzero()[:, 0].tolist() == known.tolist()
    assert known.min() >= len(SPECIALS)
    target = load_file(model.path / "model.safetensors")["lm_head.weight"]
    assert torch.equal(weights["lm_head.weight"], target[known])
