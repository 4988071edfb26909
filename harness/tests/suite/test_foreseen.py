"""What would run on a described machine: each case with its server's command line, or what it lacks."""

from __future__ import annotations

from dataclasses import replace

from harness.facts import CPU
from harness.machine.described import described
from harness.suite import Foreseen, foresee
from harness.tests.toyland.bench import bug, subject

SERVED = subject("config_toy")


def on(
    platform: str, gpus: int | None = None, ranks: int = 1, flags: dict[str, str] | None = None
) -> Foreseen:
    assert SERVED.server is not None
    case = replace(
        SERVED.server, ranks=ranks, requires=frozenset(), on={"rocm": flags or {}, "cpu": {"device": "cpu"}}
    )
    (found,) = foresee(described(platform, gpus), [replace(SERVED, server=case, requires=frozenset())])
    return found


def test_a_server_is_shown_with_the_flags_of_the_host_that_it_would_run_on() -> None:
    found = on("rocm-gfx942", flags={"mem-fraction-static": "0.2"})
    assert found.runs and str(found.platform) == "rocm-gfx942" and found.lacks == ()
    assert found.arguments[:2] == ("--model-path", "tiny-llama")
    assert found.arguments[-2:] == ("--mem-fraction-static", "0.2") and "--device" not in found.arguments
    assert found.command.startswith("python3 -m sglang.launch_server --model-path tiny-llama ")
    assert on("cpu").arguments[-2:] == ("--device", "cpu")


def test_ranks_need_a_gpu_each() -> None:
    one, two = (on("rocm-gfx942", gpus, ranks=2) for gpus in (1, 2))
    assert (one.lacks, one.arguments, one.command) == (("2 GPUs",), (), "")
    assert two.runs and "--tp-size" in two.arguments


def test_a_server_with_hip_needs_aiter_whatever_it_asks_for() -> None:
    assert on("rocm-gfx1100").lacks == ("aiter",)
    assert on("cuda-sm90").runs


def test_what_a_case_lacks_is_named_and_a_kernel_has_no_command() -> None:
    kernel, both = foresee(
        described("rocm-gfx942"), [bug("pr104_short_indptr"), bug("pr109_needs_both_vendors")]
    )
    assert (kernel.runs, kernel.platform, kernel.command) == (True, CPU, "")
    assert both.lacks == ("cuda",)


def test_the_document_has_the_keys_that_are_published() -> None:
    told = on("rocm-gfx942").to_json()
    assert set(told) == {"reproducer", "tier", "platform", "runs", "lacks", "arguments"}
    assert (told["reproducer"], told["tier"], told["runs"]) == ("config_toy", "server", True)
    assert on("rocm-gfx1100").to_json()["arguments"] == []
