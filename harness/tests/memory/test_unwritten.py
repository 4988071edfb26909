"""Poison where it lies: found in the elements that hold it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory import unwritten
from harness.memory.poison import Pattern, Poison
from harness.memory.unwritten import Unwritten

FILLED = (torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bfloat16, torch.float32)
READ = (torch.uint8, torch.int16, torch.float16, torch.int32, torch.float32, torch.int64)


def held_one_by_one(poison: Unwritten, tensor: torch.Tensor) -> bool:
    """The same by looking at each element."""
    size = tensor.element_size()
    elements = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    words = {word.to_bytes(size, "little") for word in poison.words[size]}
    return any(elements[at : at + size] in words for at in range(0, len(elements), size))


@given(
    st.sampled_from(FILLED), st.sampled_from(READ), st.sampled_from(Pattern), st.integers(0, 7),
    st.lists(st.integers(0, 3), max_size=24),
)  # fmt: skip
def test_it_is_found_where_an_element_holds_it(
    filled: torch.dtype, read: torch.dtype, pattern: Pattern, shift: int, parts: list[int]
) -> None:
    """Also where bytes that look like it lie across two elements, in front of one that is."""
    word, nbytes = Poison(pattern).word(filled)
    poison = Unwritten(word, nbytes)
    pieces = (b"\1", word.to_bytes(nbytes, "little"), b"\0" * 8, word.to_bytes(nbytes, "little") * 8)
    data = b"\1" * shift + b"".join(pieces[part] for part in parts)
    data += b"\2" * (-len(data) % 8)
    tensor = torch.from_numpy(np.frombuffer(data or b"\2" * 8, np.uint8).copy()).view(read)
    assert poison.within(tensor) == held_one_by_one(poison, tensor)
    apart = torch.stack((tensor, torch.zeros_like(tensor)), 1)[:, 0]
    assert poison.within(apart) == held_one_by_one(poison, tensor)


@pytest.mark.parametrize("numel", [8, unwritten._SMALL // 4 + 8])
def test_small_and_large_tensors_are_told_alike(numel: int) -> None:
    poison = Unwritten(*Poison().word(torch.float32))
    tensor = torch.zeros(numel)
    assert not poison.within(tensor)
    Poison().fill(tensor[-1:])
    assert poison.within(tensor) and not poison.within(tensor[:-1])


def test_what_has_no_elements_holds_none() -> None:
    assert not Unwritten(*Poison().word(torch.float32)).within(torch.zeros(0))


def test_a_number_of_two_parts_holds_what_one_of_them_does() -> None:
    poison, tensor = Unwritten(*Poison().word(torch.float32)), torch.zeros(4, dtype=torch.complex64)
    assert not poison.within(tensor)
    Poison().fill(torch.view_as_real(tensor)[2, 1:])
    assert poison.within(tensor)
