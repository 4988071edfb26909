"""What the measurement of single bugs runs, and the table that it prints."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ci.bench import each, growth
from ci.bench.growth import Cost
from harness import catalogue
from harness.errors import BadInput
from harness.facts import CPU, Feature, Tier
from harness.machine import Machine

HERE = Machine(platform=CPU, features=frozenset(Feature) - {Feature.CUDA, Feature.ROCM})


def test_what_this_machine_lacks_is_not_counted() -> None:
    known = catalogue.read(()).subjects
    kernels, servers = (each.counted(known, tiers, HERE) for tiers in (each.QUICK, [Tier.SERVER]))
    assert kernels["pr27779_swa_free_pages"] == 1 and kernels["pr24587_aiter_kv_indices_page_size"] == 3
    assert "config_paged_triton" in servers and "config_paged_triton" not in kernels
    assert "pr23596_get_last_loc_int32_store" not in servers  # its server wants HIP


def test_the_dearest_comes_first_and_too_much_memory_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "pr27779_swa_free_pages": Cost(5.0, 4.0, 700),
        "pr30378_seqlens_expand_negative": Cost(9.0, 6.0, 800),
    }

    def measured(command: list[str]) -> Any:
        assert command[:4] == [sys.executable, "-m", "harness", "run"] and command[5:] == ["--tier", "kernel"]
        return told[command[4]]

    monkeypatch.setattr(each, "cost", measured)
    monkeypatch.setattr(sys, "argv", ["each", "27779", "30378", "--tier", "kernel"])
    assert each.main() == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows[0] == "| pr30378\\_seqlens\\_expand\\_negative | 3 | 9.0 | 6.0 | 800 |"
    assert rows[1] == "| pr27779\\_swa\\_free\\_pages | 1 | 5.0 | 4.0 | 700 |"
    told["pr27779_swa_free_pages"] = Cost(5.0, 4.0, growth.MOST_MIB + 1)
    assert each.main() == 1


def test_a_bug_that_fails_leaves_the_costs_of_those_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(command: list[str]) -> Cost:
        if "30378" in command[4]:
            raise SystemExit("bench: ended with 1")
        return Cost(5.0, 4.0, 700)

    monkeypatch.setattr(each, "cost", measured)
    monkeypatch.setattr(sys, "argv", ["each", "27779", "30378", "--tier", "kernel"])
    with pytest.raises(SystemExit, match="ended with 1"):
        each.main()
    told = capsys.readouterr()
    assert "| pr27779\\_swa\\_free\\_pages | 1 | 5.0 | 4.0 | 700 |" in told.out.splitlines()
    assert told.err == "[1/2] pr27779_swa_free_pages: 5.0 s\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["99999"], "no reproducer is called '99999'"),
        (["27779", "--tier", "server"], "has a case here in server"),
    ],
)
def test_nothing_to_measure_is_refused(words: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["each", *words])
    with pytest.raises(BadInput, match=told):
        each.main()
