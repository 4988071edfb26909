"""GPU code in a library is found, named and blanked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.kit import fatbin
from harness.errors import BadInput
from harness.tests.ci.kit import fatbins

PIECES = st.lists(st.tuples(st.sampled_from([80, 90, 100]), st.binary(min_size=1, max_size=40)), max_size=4)


@given(st.lists(PIECES, min_size=1, max_size=3))
def test_every_piece_is_found(containers: list[list[fatbins.Piece]]) -> None:
    image = bytearray(fatbins.library(*containers))
    found = [(piece.chip, piece.payload(image)) for piece in fatbin.pieces(image)]
    assert found == [piece for pieces in containers for piece in pieces]


@given(st.lists(PIECES, min_size=1, max_size=3))
def test_blanking_changes_only_what_is_not_wanted(containers: list[list[fatbins.Piece]]) -> None:
    image = bytearray(fatbins.library(*containers))
    size = len(image)
    kept = fatbin.blank(image, lambda piece, names: piece.chip == 90)
    blanked = [[(c, p if c == 90 else bytes(len(p))) for c, p in pieces] for pieces in containers]
    assert bytes(image) == fatbins.library(*blanked) and len(image) == size
    assert kept.pieces + kept.blanked_pieces == sum(map(len, containers))


def test_kernels_are_named_whether_packed_or_not() -> None:
    for packed in (False, True):
        names = fatbin.kernels(fatbins.code("_Z5storePi", "_Z4loadPKf", packed=packed))
        assert names == ("load(float const*)", "store(int*)")
    assert fatbin.kernels(b"no code") == ()


def test_names_are_read_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fatbin, "kernels", lambda payload: pytest.fail("nobody asked"))
    fatbin.blank(bytearray(fatbins.library([(90, b"x")])), lambda piece, names: True)


def test_a_cut_library_is_refused() -> None:
    whole = fatbins.library([(90, b"payload" * 9)])
    with pytest.raises(BadInput, match="cut"):
        list(fatbin.pieces(bytearray(whole[: len(whole) - 40])))


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput, match="install binutils"):
        fatbin.kernels(fatbins.code("_Z1fv"))
