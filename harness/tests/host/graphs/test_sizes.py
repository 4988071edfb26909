"""The flag for the sizes to capture, by what the release at hand has."""

from __future__ import annotations

from pathlib import Path

from harness.host.graphs import arguments


def test_a_release_that_configures_phases_apart_is_told_the_phase(tmp_path: Path) -> None:
    file = tmp_path / "srt/model_executor/cuda_graph_config.py"
    assert arguments(tmp_path, (2, 6)) == ("--cuda-graph-bs", "2", "6")
    file.parent.mkdir(parents=True)
    file.touch()
    assert arguments(tmp_path, (2, 6)) == ("--cuda-graph-bs-decode", "2", "6")
