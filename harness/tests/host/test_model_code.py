"""Only the modules that define the served models' classes are left in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.host import model_code


@pytest.fixture
def package(tmp_path: Path) -> Path:
    models = tmp_path / "wares/srt/models"
    models.mkdir(parents=True)
    (models / "llama.py").write_text("class LlamaForCausalLM(Base):\n    pass\n")
    (models / "llama_eagle3.py").write_text("class LlamaForCausalLMEagle3(LlamaForCausalLM):\n    pass\n")
    (models / "qwen.py").write_text(
        "from x import LlamaForCausalLM\n\nclass Qwen(LlamaForCausalLM):\n    pass\n"
    )
    return tmp_path / "wares"


def model(folder: Path, *architectures: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": architectures}))
    return folder


@pytest.mark.parametrize(
    ("architectures", "left_out"),
    [
        (("LlamaForCausalLM",), "llama_eagle3,qwen"),
        (("LlamaForCausalLMEagle3",), "llama,qwen"),
        (("LlamaForCausalLM", "LlamaForCausalLMEagle3"), "qwen"),
        (("Unheard",), "llama,llama_eagle3,qwen"),
    ],
)
def test_what_no_served_model_is_made_of_is_left_out(
    architectures: tuple[str, ...], left_out: str, package: Path, tmp_path: Path
) -> None:
    served = [model(tmp_path / name, name) for name in architectures]
    assert model_code.only(served, package) == {model_code.VARIABLE: left_out}


def test_nothing_is_left_out_for_a_model_that_names_no_architecture(package: Path, tmp_path: Path) -> None:
    assert model_code.only([model(tmp_path / "bare")], package) == {}
    assert model_code.only([], package) == {}
