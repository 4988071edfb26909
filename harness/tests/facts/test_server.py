"""The records of servers, loads and configurations check themselves as all others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import models
from harness.errors import FactsError
from harness.facts import (
    Configuration,
    CpuGraphs,
    DeclaredKind,
    Feature,
    Grid,
    Host,
    Integer,
    Platform,
    Sampling,
    ServerCase,
    Tier,
    Tolerance,
    Traffic,
    watch,
)
from harness.facts.server import Fences, Model
from harness.machine import Machine
from harness.suite import Request, attested, missing
from harness.tests.toyland.bench import subject

CLOSE = Tolerance(absolute=1e-3, relative=0.0, reason="a test")


def traffic(**facts: Any) -> Traffic:
    return Traffic(**{"requests": 4, "prompt_tokens": (5, 9), "output_tokens": 3, **facts})


def case(**facts: Any) -> ServerCase:
    own: dict[str, Any] = {"model": "tiny-llama", "flags": {"page-size": "16"}, "traffic": traffic()}
    return ServerCase(**{**own, "watch": watch("wrong-value"), "tolerance": CLOSE, **facts})


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a declared kind": (
        lambda: case(watch=watch(DeclaredKind("acme:lost-page", "a page is lost"))),
        "server.watch: acme:lost-page: only a kernel case can report a kind of its own",
    ),
    "no request": (lambda: traffic(requests=0), "traffic.requests: must be at least 1"),
    "no token out": (lambda: traffic(output_tokens=0), "traffic.output_tokens: must be at least 1"),
    "no round": (lambda: traffic(rounds=0), "traffic.rounds: must be at least 1"),
    "nobody at a time": (lambda: traffic(concurrency=0), "traffic.concurrency: must be at least 1"),
    "aborts of any length": (
        lambda: traffic(output_tokens=None, aborts=1),
        "traffic.aborts: need requests that state output_tokens",
    ),
    "any length elsewhere": (
        lambda: traffic(output_tokens=None, endpoint="both"),
        "traffic.endpoint: must be native where output_tokens is None",
    ),
    "aborts below none": (lambda: traffic(aborts=-1), "traffic.aborts: is negative"),
    "all are given up": (lambda: traffic(aborts=4), "traffic.aborts: leaves no request to compare"),
    "more alone than whole": (lambda: traffic(aborts=2, alone=3), "traffic.alone: is more than there are"),
    "empty prompts": (lambda: traffic(prompt_tokens=(0, 3)), "traffic.prompt_tokens: is no range"),
    "prompts upside down": (lambda: traffic(prompt_tokens=(9, 5)), "traffic.prompt_tokens: is no range"),
    "prefix beyond a prompt": (lambda: traffic(shared_prefix=6), "traffic.prompt_tokens: is no range"),
    "unknown stream": (lambda: traffic(stream="half"), "traffic.stream: 'half' is not one of"),
    "unknown endpoint": (lambda: traffic(endpoint="grpc"), "traffic.endpoint: 'grpc'"),
    "a negative seed": (lambda: Sampling(seed=-1), "sampling.seed: is negative"),
    "no temperature": (lambda: Sampling(seed=1, temperature=0), "sampling.temperature: must be above 0"),
    "one token to draw from": (lambda: Sampling(seed=1, top_k=1), "sampling.top_k: is 0 or at least 2"),
    "more than all of it": (lambda: Sampling(seed=1, top_p=1.5), "sampling.top_p: is no share"),
    "less than none": (lambda: Sampling(seed=1, min_p=-0.1), "sampling.min_p: is no share"),
    "unknown model": (lambda: case(model="llama"), "server.model: 'llama' is not one of"),
    "unknown host": (lambda: case(on={"tpu": {}}), "server.on: 'tpu' is not one of"),
    "unknown feature": (lambda: case(requires={"two GPUs"}), "server.requires: 'two GPUs' is not one of"),
    "feature with a slip": (lambda: case(requires={"rocn"}), ".*; did you mean 'rocm'?"),
    "no rank": (lambda: case(ranks=0), "server.ranks: must be at least 1"),
    "ranks as a flag": (lambda: case(flags={"tp": "2"}), "server.flags: tp: write ranks= instead"),
    "flag in another spelling": (lambda: case(flags={"dp": "2"}), "server.flags: dp: write dp-size instead"),
    "replicas that do not divide the ranks": (
        lambda: case(ranks=3, flags={"dp-size": "2"}),
        "server.flags.dp-size: 2 does not divide 3 ranks",
    ),
    "attention that upstream cannot split": (
        lambda: case(ranks=2, flags={"dp-size": "2", "enable-dp-attention": ""}),
        "server.model: upstream serves data-parallel attention for tiny-qwen3, not for tiny-llama",
    ),
    "flag with dashes": (lambda: case(flags={"--page-size": "1"}), "server.flags: --page-size: write"),
    "flag of no parameter": (
        lambda: case(flags={"page-size": "{page_size}"}),
        "server.flags.page-size: 'page_size' is no parameter",
    ),
    "host flag of no parameter": (
        lambda: case(on={"cpu": {"page-size": "{page}"}}),
        "server.flags.page-size: 'page' is no parameter",
    ),
    "fences around nothing": (lambda: Fences(only=frozenset()), "server.fences.only: is empty"),
    "rows of no fenced buffer": (
        lambda: Fences(only=frozenset({"table"}), rows=frozenset({"page_table"})),
        "server.fences.rows: page_table is not among those fenced",
    ),
    "answers that are watched and bind nothing": (
        lambda: case(answers_bind=False),
        "server.answers_bind: is false: then watch no wrong-value either",
    ),
    "graphs of no size": (lambda: CpuGraphs(sizes=()), "server.graphs.sizes: is empty"),
    "graphs of sizes that fall": (lambda: CpuGraphs(sizes=(4, 2)), "server.graphs.sizes: must rise"),
    "a graph of no request": (
        lambda: CpuGraphs(sizes=(0, 2)),
        "server.graphs.sizes: must rise, and begin at 1",
    ),
    "attention without a reference": (
        lambda: CpuGraphs(sizes=(2,), attention="fa4"),
        "server.graphs.attention: 'fa4' is not one of",
    ),
    "graphs that a flag turns off": (
        lambda: case(graphs=CpuGraphs(sizes=(2,)), on={"cpu": {"disable-cuda-graph": ""}}),
        "server.graphs: disable-cuda-graph leaves none",
    ),
    "graphs over a parameter of no case": (
        lambda: case(graphs=CpuGraphs(sizes=(2,), grid=Grid(pages=[1]))),
        "server.graphs.grid: the case takes no parameter pages",
    ),
    "configuration without a server": (
        lambda: Configuration(enters=("f",)),
        "configuration.server: a configuration is one of a server",
    ),
    "configuration that proves nothing": (
        lambda: Configuration(enters=(), server=case()),
        "configuration.enters: is empty",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_module_and_field(mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(FactsError, match=f"^{__name__}: {told}"):
        make()


def test_facts_and_models_name_the_same_models() -> None:
    assert frozenset(models.NAMES) == frozenset(Model)


def test_flags_become_words_in_their_order_and_an_empty_one_is_a_switch() -> None:
    one = case(flags={"page-size": "16", "disable-radix-cache": ""}, on={"cuda": {"page-size": "32"}})
    assert one.arguments(Host.CPU, {}) == ("--page-size", "16", "--disable-radix-cache")
    assert one.arguments(Host.CUDA, {}) == ("--page-size", "32", "--disable-radix-cache")


@given(st.integers(1, 4096), st.sampled_from(Host))
def test_a_parameter_is_put_into_its_flag(size: int, host: Host) -> None:
    params = {"page_size": Integer(16)}
    one = case(flags={"page-size": "{page_size}"}, params=params, grid=Grid(page_size=[2, 16]))
    assert one.arguments(host, one.point({"page_size": size})) == ("--page-size", str(size))
    assert [point["page_size"] for point in one.points()] == [16, 2]


def graphed() -> ServerCase:
    """A case for a CUDA GPU, with a grid there, that a CPU can run too."""
    graphs = CpuGraphs(sizes=(2,), traffic=traffic(requests=1))
    return case(
        requires={"cuda"}, graphs=graphs, params={"page_size": Integer(16)}, grid=Grid(page_size=[2, 16])
    )


def test_a_case_with_graphs_is_another_on_a_cpu() -> None:
    one = graphed()
    here = one.on_host(Host.CPU)
    assert here.requires == {"triton-interpreter"} and here.traffic.requests == 1
    assert here.points() == [{"page_size": 16}] and here.on_host(Host.CPU) == here
    assert (here.model, here.watch, here.tolerance) == (one.model, one.watch, one.tolerance)
    for host in (Host.CUDA, Host.ROCM):
        assert one.on_host(host) is one


def test_a_case_without_graphs_is_the_same_everywhere() -> None:
    one = case(requires={"rocm"})
    assert all(one.on_host(host) is one for host in Host)


@pytest.mark.parametrize(
    ("platform", "lacks"), [("cpu", ()), ("cuda-sm90", ("cuda",)), ("rocm-gfx942", ("aiter", "cuda"))]
)
def test_a_request_asks_for_what_the_case_needs_on_that_machine(
    platform: str, lacks: tuple[str, ...]
) -> None:
    toy = replace(subject("config_toy"), requires=frozenset(), server=graphed())
    request = Request(reproducer=toy, tier=Tier.SERVER)
    machine = Machine(platform=Platform.parse(platform), features=frozenset({Feature.INTERPRETER}))
    assert missing(request, machine) == lacks
    assert len(request.on(machine).points) == (1 if platform == "cpu" else 2)
    assert len(request.points) == 2 and request.on(machine).on(machine) == request.on(machine)


def test_a_configuration_has_the_fixed_arm_alone_and_names_of_its_own() -> None:
    toy = subject("config_toy")
    assert Request(reproducer=toy, tier=Tier.SERVER).asked == ("fixed",)
    assert (toy.id, toy.short_id, toy.tiers) == ("config_toy", "config_toy", ("server",))
    assert isinstance(toy, Configuration)
    with pytest.raises(FactsError, match=r"configuration\.enters"):
        replace(toy, enters=())


def test_a_configuration_attests_what_it_enters(tmp_path: Any) -> None:
    from harness.source.tree import at
    from harness.tests.toyland import serving

    assert attested(at(serving.write(tmp_path)), subject("config_toy")) == ("build_table",)
