"""The cases that a described MI300 runs, with the right flags, as upstream's own code reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from click.testing import CliRunner

from harness import catalogue
from harness.cli import app
from harness.host import environment

ROOT = catalogue.golden_folder().parent
REPORTED_ON_AMD = ("pr22598", "pr23596", "pr24587")


@cache
def foreseen(platform: str, gpus: int) -> list[dict[str, Any]]:
    words = ["doctor", "--on", platform, "--gpus", str(gpus), "--json", "-"]
    cases: list[dict[str, Any]] = json.loads(CliRunner().invoke(app, words).stdout)["cases"]
    return cases


def server(bug: str, platform: str = "rocm-gfx942", gpus: int = 2) -> dict[str, Any]:
    (found,) = [
        case
        for case in foreseen(platform, gpus)
        if case["tier"] == "server" and case["reproducer"].startswith(f"{bug}_")
    ]
    return found


@pytest.mark.parametrize("platform", ["rocm-gfx942", "rocm-gfx950"])
@pytest.mark.parametrize(
    ("bug", "backend"), [("pr22598", "aiter"), ("pr23596", "triton"), ("pr24587", "aiter")]
)
def test_the_servers_of_bugs_reported_on_amd_run_on_two_mi300s(bug: str, backend: str, platform: str) -> None:
    found = server(bug, platform)
    assert found["runs"] and found["lacks"] == [] and found["platform"] == platform
    words = found["arguments"]
    assert words[words.index("--attention-backend") + 1] == backend
    assert not {"--device", "--dtype", "--disable-cuda-graph"} & set(words)  # those of the CPU
    assert {"--mem-fraction-static", "--cuda-graph-max-bs-decode"} <= set(words)


def test_every_case_for_an_amd_gpu_runs_there() -> None:
    lacking = {(case["reproducer"], case["tier"]): case["lacks"] for case in foreseen("rocm-gfx942", 2)}
    for subject in catalogue.subjects():
        for tier in subject.tiers:
            if subject.short_id in REPORTED_ON_AMD:
                assert lacking[subject.id, tier] == []
    assert {what for lacks in lacking.values() for what in lacks} == {"cuda", "cpu-servers"}


def test_one_mi300_lacks_the_second_rank_alone() -> None:
    assert server("pr22598", gpus=1)["lacks"] == ["2 GPUs"]
    assert server("pr23596", gpus=1)["runs"] and server("pr24587", gpus=1)["runs"]


@pytest.mark.parametrize("platform", ["rocm-gfx1100", "rocm-gfx90a"])
def test_a_chip_without_aiter_serves_nothing_and_still_runs_kernels(platform: str) -> None:
    cases = foreseen(platform, 2)
    assert {tuple(case["lacks"]) for case in cases if case["tier"] == "server"} == {
        ("aiter",),
        ("aiter", "cuda"),
        ("aiter", "cpu-servers"),
    }
    assert [case["runs"] for case in cases if case["platform"] == platform and case["tier"] == "kernel"] == [
        True
    ]


def test_upstreams_own_code_takes_the_command_lines_as_they_are_meant() -> None:
    script = ["-P", "-m", "reproducers.tests.mi300_arguments"]
    variables = environment.merged(environment.SERVER_DRIVER, {"PYTHONPATH": str(ROOT)})
    done = subprocess.run(
        [sys.executable, *script], capture_output=True, text=True, env=variables, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(REPORTED_ON_AMD) <= set(told)
    meant = {
        "pr22598": ("aiter", 2), "pr23596": ("triton", 1), "pr24394": ("triton", 1), "pr24587": ("aiter", 1),
        "pr26866": ("triton", 1), "config_eagle3_triton": ("triton", 1), "config_paged_triton": ("triton", 1),
        "config_two_batch_overlap": ("triton", 2), "pr27338": ("triton", 1), "pr29860": ("triton", 1),
    }  # fmt: skip
    found = {name: (one["attention_backend"], one["tp_size"]) for name, one in told.items()}
    assert meant.items() <= found.items()  # a bug that joins says nothing here
    assert {one["device"] for one in told.values()} == {"cuda"}  # torch's word for HIP's devices, too
    assert told["pr22598"]["enable_two_batch_overlap"] and told["pr22598"]["attn_dp_size"] == 2
    assert told["pr23596"]["speculative_algorithm"] == "EAGLE3" and told["pr24587"]["page_size"] == 16
    assert not told["pr24587"]["disable_cuda_graph"] and not told["pr22598"]["disable_cuda_graph"]
