"""Requirement lists are read, and refused where they are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.kit import pins
from harness.errors import BadInput


def _file(folder: Path, text: str) -> Path:
    file = folder / "list.txt"
    file.write_text(text)
    return file


def test_pins_are_read_by_their_canonical_names(tmp_path: Path) -> None:
    text = "# a comment\n\nPyYAML==6.0.3\njaraco.text==1.0 # why\n"
    assert pins.read([_file(tmp_path, text)]) == {"pyyaml": "6.0.3", "jaraco-text": "1.0"}


def test_a_pin_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"list\.txt:2: 'numpy>=2' is no exact pin"):
        pins.read([_file(tmp_path, "a==1\nnumpy>=2\n")])


def test_freeze_lists_are_read(tmp_path: Path) -> None:
    text = "numpy==2.5.2\ntorch==2.11.0+cu130\nRefault @ file:///x\n-e git+x#egg=y\nzipp\n"
    assert pins.installed(_file(tmp_path, text)) == {
        "numpy": "2.5.2", "torch": "2.11.0+cu130", "refault": None, "zipp": None,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "# nothing\n", "numpy >= 2\n"])
def test_a_list_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="pip freeze"):
        pins.installed(_file(tmp_path, text))


def test_an_unreadable_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is a folder: .* give a list of packages"):
        pins.installed(tmp_path)
