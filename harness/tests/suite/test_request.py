"""What a case needs of a machine beyond what it declares."""

from __future__ import annotations

import pytest

from harness import catalogue
from harness.facts import Tier
from harness.facts.place import Feature, Platform
from harness.machine import Machine
from harness.suite import Request
from harness.suite.request import missing

HAS = frozenset({Feature.CUDA, Feature.SGL_KERNEL, Feature.TORCH, Feature.TRITON})


@pytest.mark.parametrize(
    ("platform", "features", "lacks"),
    [
        ("cuda-sm90", HAS, ("flashinfer",)),
        ("cuda-sm90", HAS | {Feature.FLASHINFER}, ()),
    ],
)
def test_a_server_that_asks_for_a_library_s_attention_needs_that_library(
    platform: str, features: frozenset[Feature], lacks: tuple[str, ...]
) -> None:
    """#27338's server asks for FlashInfer on CUDA alone: on an H200 without it four runs were UNRESOLVED."""
    subject = catalogue.find("27338", catalogue.read(()).subjects)
    machine = Machine(platform=Platform.of_machine(platform), features=features, gpus=1)
    assert missing(Request(reproducer=subject, tier=Tier.SERVER), machine) == lacks
