from __future__ import annotations

import pytest
import torch

from harness.memory.methods import replaced


@pytest.mark.parametrize("name", ["tolist", "__array__"])
def test_a_method_is_back_afterwards_where_it_was(name: str) -> None:
    before, own = getattr(torch.Tensor, name), name in torch.Tensor.__dict__
    with pytest.raises(ZeroDivisionError), replaced(name, lambda self: "other"):
        assert getattr(torch.ones(1), name)() == "other"
        raise ZeroDivisionError
    assert getattr(torch.Tensor, name) == before
    assert (name in torch.Tensor.__dict__) is own
