"""A kit carries what the target lacks, and what upstream would refuse of what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from packaging.requirements import Requirement

from ci.kit.choose import Requires, choose
from harness.errors import BadInput

STACK: Mapping[str, str | None] = {
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "triton": "3.6.0",
    "numpy": None,
}
NEEDS = {
    "sglang": ("sglang-kernel==0.4.4", "torchao==0.17.0", "transformers==5.12.1", "numpy", "tilelang==1"),
    "transformers": ("tokenizers<=0.23.0,>=0.22.0",),
}
PINS = {
    "sglang": "0.5.14",
    "transformers": "5.0",
    "tokenizers": "0.22.2",
    "fastapi": "0.165",
    "numpy": "2.3.5",
}


def _requires(needs: Mapping[str, Sequence[str]]) -> Requires:
    return lambda name, version: list(map(Requirement, needs.get(name, ())))


def test_what_lacks_and_what_does_not_fit_is_carried() -> None:
    there = {**STACK, "transformers": "5.17.0", "tokenizers": "0.23.2"}
    choice = choose("0.5.15", PINS, there, _requires(NEEDS))
    assert choice.carried == {
        "sglang": "0.5.15", "sglang-kernel": "0.4.4", "torchao": "0.17.0", "fastapi": "0.165",
        "transformers": "5.12.1", "tokenizers": "0.22.2",
    }  # fmt: skip
    assert choice.notes == ("sglang 0.5.15 asks for tilelang==1, which is left out",)


def test_what_fits_stays_at_home() -> None:
    there = {**STACK, "transformers": "5.12.1", "tokenizers": "0.23.2", "fastapi": None}
    assert set(choose("0.5.15", PINS, there, _requires(NEEDS)).carried) == {
        "sglang",
        "sglang-kernel",
        "torchao",
    }


def test_the_accelerator_stack_is_never_replaced() -> None:
    needs = {**NEEDS, "fastapi": ("numpy<2.4",)}
    choice = choose("0.5.15", PINS, {**STACK, "numpy": "2.5.2"}, _requires(needs))
    assert "numpy" not in choice.carried
    assert "fastapi 0.165 asks for numpy<2.4, and gets 2.5.2" in choice.notes


def test_a_target_without_the_stack_is_refused() -> None:
    with pytest.raises(BadInput, match="the target lacks torch, triton"):
        choose("0.5.15", PINS, {"numpy": None, "torchvision": None}, _requires(NEEDS))


def test_a_release_that_pins_no_kernels_is_refused() -> None:
    with pytest.raises(BadInput, match=r"SGLang 0\.5\.9 does not pin sglang-kernel"):
        choose("0.5.9", PINS, STACK, _requires({"sglang": ("torchao==0.9",)}))
