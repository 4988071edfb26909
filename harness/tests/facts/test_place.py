"""Where cases run: words are read as they are written, others are refused, and one table says where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts import CPU, CaseKey, FaultKind, Host, Platform, Tier, runs_on

H200, MI300 = Platform(Host.CUDA, "sm90"), Platform(Host.ROCM, "gfx942")
CUDA, ROCM = Platform(Host.CUDA), Platform(Host.ROCM)
PLATFORMS = st.one_of(
    st.sampled_from([CPU, CUDA, ROCM, H200, MI300]),
    st.builds(lambda number: Platform(Host.CUDA, f"sm{number}"), st.integers(10, 199)),
    st.builds(lambda number: Platform(Host.ROCM, f"gfx{number:x}"), st.integers(0x800, 0xFFFF)),
)


@given(PLATFORMS)
def test_a_platform_is_read_as_it_is_written(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform
    key = CaseKey("pr1_pages", Tier.KERNEL, platform)
    assert CaseKey.from_json(json.loads(json.dumps(key.to_json()))) == key
    assert str(key) == f"pr1_pages kernel {platform}"


@given(st.lists(PLATFORMS, max_size=8))
def test_platforms_stand_in_the_order_of_their_words(platforms: list[Platform]) -> None:
    assert list(map(str, sorted(platforms))) == sorted(map(str, platforms))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("cdua-sm90", "; did you mean 'cuda-sm90'?"),
        ("cuda-gfx942", "; did you mean 'rocm-gfx942'?"),
        ("sm90", "; did you mean 'cuda-sm90'?"),
        ("cpu-sm90", "; did you mean 'cuda-sm90'?"),
        ("CPU\n", ""),
        ("cuda-", "; did you mean 'cuda'?"),
        ("", ""),
    ],
)
def test_another_word_is_refused_with_the_nearest(word: str, meant: str) -> None:
    with pytest.raises(ValueError) as refused:
        Platform.parse(word)
    assert str(refused.value) == f"{word!r} is not like cpu, cuda, cuda-sm90, rocm, rocm-gfx942{meant}"


def test_what_is_emulated_is_a_place_of_its_own_and_no_machine() -> None:
    place = Platform.parse("emulated-gfx942")
    assert place == Platform(Host.EMULATED, "gfx942") and place.emulates == MI300
    assert not place.host.has_devices and place not in (CPU, MI300)
    assert [one.emulates for one in (CPU, MI300, H200)] == [None] * 3
    assert runs_on(Tier.KERNEL, place, CPU) == runs_on(Tier.KERNEL, place, MI300) == place
    with pytest.raises(ValueError, match="emulated-gfx942 is no machine: what is emulated runs on a CPU"):
        Platform.of_machine("emulated-gfx942")
    for word in ("emulated", "emulated-sm90"):
        with pytest.raises(ValueError, match="is not like"):
            Platform.parse(word)


def test_a_chip_of_another_kind_of_machine_is_no_platform() -> None:
    with pytest.raises(ValueError, match="'cuda-gfx942' is not like"):
        Platform(Host.CUDA, "gfx942")


@pytest.mark.parametrize(("kind", "word"), [(Tier, "kernal"), (Host, "rcom"), (FaultKind, "oob-wrte")])
def test_closed_sets_refuse_other_words_with_the_nearest(kind: type[Tier], word: str) -> None:
    with pytest.raises(ValueError, match=rf"^'{word}' is not one of .*; did you mean '[\w-]+'\?$"):
        kind(word)


@pytest.mark.parametrize(
    ("tier", "named", "machine", "where"),
    [
        (Tier.KERNEL, None, CPU, CPU),
        (Tier.KERNEL, None, H200, CPU),
        (Tier.KERNEL, CUDA, H200, H200),
        (Tier.KERNEL, CUDA, CPU, CUDA),
        (Tier.KERNEL, ROCM, H200, ROCM),
        (Tier.KERNEL, ROCM, MI300, MI300),
        (Tier.CODEGEN, MI300, CPU, MI300),
        (Tier.CODEGEN, H200, MI300, H200),
        (Tier.SERVER, None, CPU, CPU),
        (Tier.SERVER, None, MI300, MI300),
    ],
)
def test_where_a_case_runs(tier: Tier, named: Platform | None, machine: Platform, where: Platform) -> None:
    assert runs_on(tier, named, machine) == where
