"""What a kit can be made for, in pip's words and in those of requirements."""

from __future__ import annotations

import pytest
from packaging.markers import Marker

from ci.kit.target import Target
from harness.errors import BadInput


def test_pip_is_told_of_every_manylinux() -> None:
    options = Target.named("3.12", "manylinux", "sm90").pip_options
    assert options[:2] == ["--python-version", "3.12"]
    assert {"manylinux_2_34_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} <= set(options)


def test_markers_are_the_targets_own() -> None:
    markers = Target(python="3.12").markers
    assert Marker("python_version >= '3.12' and sys_platform == 'linux'").evaluate(markers)
    assert not Marker("platform_machine == 'aarch64' or extra == 'test'").evaluate(markers)


@pytest.mark.parametrize(
    "words", [("3", "manylinux", "sm90"), ("3.12", "win", "sm90"), ("3.12", "manylinux", "sm80")]
)
def test_other_targets_are_refused(words: tuple[str, str, str]) -> None:
    with pytest.raises(BadInput, match=r"^--(python|platform|arch) "):
        Target.named(*words)
