"""What torch was built for is read from its files as torch itself writes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.machine import torch_build

TOLD = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = '2.9.0'
cuda: Optional[str] = {cuda}
git_version = 'cf30153c'
hip: Optional[str] = {hip}
"""


@pytest.mark.parametrize(
    ("cuda", "hip", "built"),
    [
        ("'13.0'", "None", ("13.0", None)),
        ("None", "'7.0.51831-a3e329ad8'", (None, "7.0.51831-a3e329ad8")),
        ("None", "None", (None, None)),
    ],
)
def test_a_build_is_for_one_vendor_or_none(
    cuda: str, hip: str, built: tuple[str | None, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version.py").write_text(TOLD.format(cuda=cuda, hip=hip))
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert (torch_build.cuda(), torch_build.hip()) == built


def test_no_torch_is_built_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert torch_build.cuda() is torch_build.hip() is None


def test_the_torch_that_is_installed_says_the_same_of_itself() -> None:
    import torch

    assert (torch_build.cuda(), torch_build.hip()) == (torch.version.cuda, torch.version.hip)
