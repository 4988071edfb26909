"""The kernels of FA3 that a model needs are told by their names."""

from __future__ import annotations

import pytest

from ci.kit.fa3 import Needs
from ci.kit.fatbin import Piece
from harness.errors import BadInput


def main_loop(keys: int, values: int, dtype: str) -> str:
    """A forward kernel's name, as c++filt prints it (sglang-kernel 0.4.4), cut to what matters."""
    return (
        "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<"
        "flash::CollectiveMainloopFwdSm90<2, cute::tuple<cute::C<1>, cute::C<1>, cute::C<1> >, "
        f"cute::tuple<cute::C<192>, cute::C<128>, cute::C<{keys}> >, {values}, cutlass::{dtype}, float, "
    )


def test_size_and_dtype_of_keys_and_values_have_to_fit() -> None:
    needs = Needs(64)
    assert needs.wants_kernel(main_loop(64, 64, "bfloat16_t"))
    assert not needs.wants_kernel(main_loop(64, 256, "bfloat16_t"))
    assert not needs.wants_kernel(main_loop(128, 128, "bfloat16_t"))
    assert not needs.wants_kernel(main_loop(64, 64, "half_t"))
    assert Needs(64, "float16").wants_kernel(main_loop(64, 64, "half_t"))


def test_helpers_always_go_in() -> None:
    assert Needs(128).wants_kernel("flash::prepare_varlen_num_blocks_kernel(int)")
    assert Needs(128).wants_kernel("flash::FlashAttnFwdCombine<cute::tuple<cute::C<8> > >")


def test_other_chips_stay_out_unread() -> None:
    assert not Needs(64).wants(Piece(0, 1, 80), lambda: pytest.fail("not to be read"))
    assert Needs(64).wants(Piece(0, 1, 90), lambda: ("other", main_loop(64, 64, "bfloat16_t")))


@pytest.mark.parametrize(("size", "dtype"), [(65, "bfloat16"), (64, "int8")])
def test_what_fa3_has_no_kernels_for_is_refused(size: int, dtype: str) -> None:
    with pytest.raises(BadInput, match="take one of"):
        Needs(size, dtype)
