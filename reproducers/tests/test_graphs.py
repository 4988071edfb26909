"""What servers that decode in graphs on a CPU have to do with those that do not, and with those on GPUs."""

from __future__ import annotations

import pytest

from harness import catalogue
from harness.facts import CPU, CaseKey, Host, Subject, Tier
from harness.golden import Golden, GoldenStore
from harness.observation.compare import value_differences

GRAPHED = [subject for subject in catalogue.subjects() if subject.server and subject.server.graphs]
GOLDENS = GoldenStore(catalogue.golden_folder())


def golden(name: str) -> Golden:
    found = GOLDENS.load(CaseKey(name, Tier.SERVER, CPU))
    assert found
    return found


def test_graphs_answer_as_the_same_server_without_them() -> None:
    """The load is the same: every token, and every log-probability as far as sums in another order allow."""
    (graphs,), (eager,) = (golden(f"config_paged_{one}").arms["fixed"] for one in ("graphs", "triton"))
    within = golden("config_paged_graphs").tolerance
    assert len(graphs.point.results["requests"]) == 5
    assert list(value_differences("", eager.point.results, graphs.point.results, within)) == []


def test_there_are_servers_with_graphs_to_look_at() -> None:
    assert {subject.short_id for subject in GRAPHED} >= {
        "pr22598",
        "pr24587",
        "pr27360",
        "config_paged_graphs",
    }


@pytest.mark.parametrize("subject", GRAPHED, ids=lambda subject: subject.short_id)
def test_a_case_with_graphs_is_recorded_for_the_cpu(subject: Subject) -> None:
    """At every point that it has there, and at no other."""
    case = subject.case(Tier.SERVER, CPU)
    for arm in golden(subject.id).arms.values():
        assert [dict(one.point.params) for one in arm] == case.points()
    assert case.traffic.requests <= 10 and "disable-cuda-graph" not in case.on[Host.CPU]


@pytest.mark.parametrize("subject", GRAPHED, ids=lambda subject: subject.short_id)
def test_on_a_device_the_case_is_as_it_was(subject: Subject) -> None:
    assert subject.server
    for host in (Host.CUDA, Host.ROCM):
        assert subject.server.on_host(host) is subject.server
        assert "--cuda-graph-max-bs-decode 16" in " ".join(
            subject.server.arguments(host, subject.server.default)
        )
