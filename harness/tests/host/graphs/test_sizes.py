"""The flag for the sizes to capture, by what the release at hand has."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.graphs import arguments, without_prefill


def test_a_release_that_configures_phases_apart_is_told_the_phase(tmp_path: Path) -> None:
    file = tmp_path / "srt/model_executor/cuda_graph_config.py"
    assert arguments(tmp_path, (2, 6)) == ("--cuda-graph-bs", "2", "6")
    file.parent.mkdir(parents=True)
    file.touch()
    assert arguments(tmp_path, (2, 6)) == ("--cuda-graph-bs-decode", "2", "6")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"srt/model_executor/cuda_graph_config.py": ""}, ("--cuda-graph-backend-prefill", "disabled")),
        (
            {"srt/server_args.py": 'parser.add_argument("--disable-piecewise-cuda-graph")'},
            ("--disable-piecewise-cuda-graph",),
        ),
        ({"srt/server_args.py": 'parser.add_argument("--enable-piecewise-cuda-graph")'}, ()),
        ({}, ()),
    ],
)
def test_graphs_of_prefill_are_left_out_as_the_release_spells_it(
    files: dict[str, str], told: tuple[str, ...], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert without_prefill(tmp_path) == told
