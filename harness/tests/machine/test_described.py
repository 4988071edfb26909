"""A machine that is named and not here has what upstream's image for it brings."""

from __future__ import annotations

import pytest

from harness.errors import BadInput
from harness.facts import Feature
from harness.machine.described import described


@pytest.mark.parametrize(
    ("platform", "host", "has", "lacks"),
    [
        (
            "cpu",
            "cpu",
            {"torch", "triton-interpreter", "cpu-servers"},
            {"cuda", "rocm", "aiter", "sgl_kernel"},
        ),
        ("cuda-sm90", "cuda", {"cuda", "sgl_kernel", "flashinfer"}, {"rocm", "aiter", "cpu-servers"}),
        ("cuda-sm100", "cuda", {"cuda"}, {"rocm"}),
        ("rocm-gfx942", "rocm", {"rocm", "aiter", "sgl_kernel"}, {"cuda", "flashinfer"}),
        ("rocm-gfx950", "rocm", {"rocm", "aiter"}, {"cuda"}),
        ("rocm-gfx90a", "rocm", {"rocm"}, {"aiter"}),
        ("rocm-gfx1100", "rocm", {"rocm"}, {"aiter"}),
    ],
)
def test_a_platform_brings_its_features(platform: str, host: str, has: set[str], lacks: set[str]) -> None:
    found = described(platform)
    assert (str(found.platform), found.host.value) == (platform, host)
    assert has <= found.features and not lacks & found.features


@pytest.mark.parametrize(
    ("platform", "gpus", "number"), [("rocm-gfx942", None, 1), ("cuda-sm90", 8, 8), ("cpu", None, 0)]
)
def test_a_machine_with_gpus_has_one_unless_told_otherwise(
    platform: str, gpus: int | None, number: int
) -> None:
    assert described(platform, gpus).gpus == number


@pytest.mark.parametrize(
    "platform",
    [
        "",
        "rocm",
        "cuda",
        "gfx942",
        "rocm-sm90",
        "cuda-gfx942",
        "rocm-gfx942 ",
        "ROCM-gfx942",
        "rocm-gfx942\n",
    ],
)
def test_what_is_no_platform_is_refused_with_an_example(platform: str) -> None:
    with pytest.raises(
        BadInput, match="names no machine: write it like rocm-gfx942, cuda-sm90 or cpu"
    ) as error:
        described(platform)
    assert "\n" not in str(error.value)


def test_a_cpu_has_no_gpus() -> None:
    with pytest.raises(BadInput, match="cpu: has no GPUs"):
        described("cpu", 2)


def test_no_described_machine_has_both_vendors() -> None:
    for platform in ("cpu", "cuda-sm90", "rocm-gfx942"):
        assert len({Feature.CUDA, Feature.ROCM} & described(platform).features) == (platform != "cpu")
