"""What the server tier runs: a real server of a tiny model, the traffic it gets, and what is judged."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.facts.cases import Space, Tolerance, Watch
from harness.facts.checks import Params, member, members, require
from harness.facts.kinds import FaultKind, declared
from harness.facts.params import Grid
from harness.facts.place import Feature, Host, Platform, Tier
from harness.facts.sampling import Sampling
from harness.facts.words import Word


class Model(Word):
    """The models that `harness.models` makes."""

    LLAMA = "tiny-llama"
    """Dense attention."""
    LLAMA_EAGLE3 = "tiny-llama-eagle3"
    """The same with a draft model for EAGLE3."""
    MOE = "tiny-moe"
    """A mixture of experts whose router is made of sigmoids; no expert takes tokens of one class."""
    QWEN3 = "tiny-qwen3"
    """Dense attention that upstream divides over data-parallel ranks."""
    SWA = "tiny-swa"
    """Layers with a sliding window."""

    @property
    def has_draft(self) -> bool:
        """Whether a draft model for speculation is made beside it."""
        return self is Model.LLAMA_EAGLE3


_DATA_PARALLEL_ATTENTION = frozenset({Model.QWEN3})
"""Upstream's llama splits its attention over tensor-parallel ranks alone."""
_OWN_FLAGS = {
    "tp": "ranks=", "tp-size": "ranks=", "tensor-parallel-size": "ranks=",
    "model": "model=", "model-path": "model=",
    "dp": "dp-size", "data-parallel-size": "dp-size",
}  # fmt: skip
"""Flags that Refault reads or writes itself: each has one spelling, or a field."""
SERVED = Tolerance(
    absolute=1e-4,
    relative=1e-4,
    reason="a served model's float32 sums in other orders: 7e-6 apart with torch's plain kernels and AVX-512",
)
"""How far answers may be from those of a golden: far below what a wrong token or page makes."""


class Native(Word):
    """Libraries whose attention is native code, and that `harness.host.attention` has references for."""

    AITER = "aiter"
    FA3 = "fa3"


_STREAMS, _ENDPOINTS = ("none", "some", "all"), ("native", "openai", "both")


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The load of one arm, drawn from a seed."""

    requests: int
    """How many requests a round has."""
    prompt_tokens: tuple[int, int]
    """The fewest and the most tokens of a prompt."""
    output_tokens: int | None
    """How many tokens each request asks for. None: it does not say, and upstream goes on for as long as it
    does then, to the context's end at most; for the endpoint `native`, without aborts."""
    seed: int = 0
    """What the prompts are drawn from."""
    concurrency: int = 1
    """How many requests are under way at a time."""
    rounds: int = 1
    """How often the same requests are sent. The last round's answers are compared; those before it only churn
    the pools."""
    shared_prefix: int = 0
    """How many tokens the prompts begin with in common."""
    aborts: int = 0
    """How many requests are given up in mid-answer; they are compared with nothing."""
    alone: int = 0
    """How many requests are sent once more, one at a time, after a flush of the cache: the same answer is
    due."""
    stream: str = "none"
    """Which requests stream their answers: `none`, `some`, `all`."""
    endpoint: str = "native"
    """Which interface they go to: `native` (`/generate`), `openai`, `both`."""
    logprobs: bool = True
    """Whether log-probabilities are asked for and compared."""
    sampling: Sampling | None = None
    """How tokens are drawn; None: greedily."""

    def __post_init__(self) -> None:
        for name in ("requests", "output_tokens", "concurrency", "rounds"):
            require(
                getattr(self, name) is None or getattr(self, name) >= 1,
                f"traffic.{name}",
                "must be at least 1",
            )
        open_ended = self.output_tokens is None
        require(not open_ended or not self.aborts, "traffic.aborts", "need requests that state output_tokens")
        native = self.endpoint == "native"
        require(not open_ended or native, "traffic.endpoint", "must be native where output_tokens is None")
        for name in ("shared_prefix", "aborts", "alone"):
            require(getattr(self, name) >= 0, f"traffic.{name}", "is negative")
        fewest, most = self.prompt_tokens
        require(max(1, self.shared_prefix) <= fewest <= most, "traffic.prompt_tokens", "is no range")
        require(self.aborts < self.requests, "traffic.aborts", "leaves no request to compare")
        require(self.alone <= self.requests - self.aborts, "traffic.alone", "is more than there are")
        require(self.stream in _STREAMS, "traffic.stream", f"{self.stream!r} is not one of {_STREAMS}")
        require(self.endpoint in _ENDPOINTS, "traffic.endpoint", f"{self.endpoint!r}: {_ENDPOINTS}")


@dataclass(frozen=True, kw_only=True)
class Fences:
    """What a server on a device is watched by: fences around some buffers."""

    only: frozenset[str]
    """The buffers that are fenced, by the names that faults give them."""
    rows: frozenset[str] = frozenset()
    """Those of them that get red zones between their rows."""
    electric: bool = False
    """Whether an unmapped page lies behind each, at two MiB a buffer."""
    no_index_assertions: bool = False
    """Whether to compile as a build of torch without index assertions; a case with a parameter `assertions`
    ("on", "off") decides that at each point."""

    def __post_init__(self) -> None:
        require(self.only, "server.fences.only", "is empty: name the buffers to fence")
        strangers = sorted(self.rows - self.only)
        require(not strangers, "server.fences.rows", f"{', '.join(strangers)} is not among those fenced")

    def at(self, params: Params) -> Fences:
        """These fences at one point of the parameter space."""
        told = params.get("assertions")
        return replace(self, no_index_assertions=told == "off") if told else self

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "only": sorted(self.only), "rows": sorted(self.rows)}


@dataclass(frozen=True, kw_only=True)
class CpuGraphs:
    """What a server's case is on a CPU, where its CUDA graphs are recorded and replayed by Refault."""

    sizes: tuple[int, ...]
    """The batch sizes to capture, smallest first."""
    attention: str | None = None
    """The library whose native attention a reference computes there: `aiter` or `fa3`."""
    grid: Grid = field(default_factory=Grid)
    """The points that the CPU runs beside the default one."""
    traffic: Traffic | None = None
    """The load there, if it is another than the case's."""

    def __post_init__(self) -> None:
        require(self.sizes, "server.graphs.sizes", "is empty: name the batch sizes to capture")
        rising = sorted(set(self.sizes)) == list(self.sizes) and self.sizes[0] >= 1
        require(rising, "server.graphs.sizes", "must rise, and begin at 1 or above")
        if self.attention is not None:
            member(Native, self.attention, "server.graphs.attention")


@dataclass(frozen=True, kw_only=True)
class ServerCase(Space):
    """Starts a real server in each arm and talks to it. Answers are held against the model's float64
    reference."""

    tier = Tier.SERVER

    model: str
    """A word of `Model`; the model is made on the spot."""
    flags: Mapping[str, str]
    """Go to `sglang.launch_server`, written without dashes; an empty value is a switch, and `{name}` stands
    for a parameter."""
    ranks: int = 1
    """How many processes share the model (upstream's `--tp-size`), each on an accelerator of its own where
    there are any."""
    traffic: Traffic
    """The load."""
    watch: Watch
    """The fault kinds, and buffers, that are judged. A `DeclaredKind` cannot be. With `leak` the server is
    left alone behind the last answer until it has been idle, and so has looked for leaks itself."""
    tolerance: Tolerance
    """How far log-probabilities may be from the reference."""
    on: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Further flags of a host: `cpu`, `cuda`, `rocm`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside the harness's own."""
    dtype: str = "float16"
    """The type of the weights on a device; on the CPU it is float32, where Triton's interpreter multiplies
    other types wrongly."""
    coarser: Mapping[str, Tolerance] = field(default_factory=dict)
    """Tolerances for some types of the weights, instead of `tolerance`."""
    fences: Fences | None = None
    """What watches its memory on a device; on the CPU the oracle does."""
    graphs: CpuGraphs | None = None
    """With it a CPU captures and replays CUDA graphs, and needs none of the features that the case `requires`
    of an accelerator."""
    answers_bind: bool = True
    """Whether a golden keeps answers: not where the fixed arm is known to answer wrong, for another reason
    than its bug. Then `wrong-value` cannot be watched."""
    loads: Mapping[str, Traffic] = field(default_factory=dict)
    """Other loads, chosen by the value of a parameter `load`."""
    recorded: Tolerance = SERVED
    """How far floats may be from those of the golden."""
    ready_seconds: float = 150.0
    """How long a server may take to start, less what it waits for a processor."""
    patience: float = 90.0
    """How long it may send no token, less what it waits for a processor."""
    seconds: float = 400.0
    """How long an arm may take for one answer: a server's start, its load and its end."""

    def __post_init__(self) -> None:
        model = member(Model, self.model, "server.model")
        members(Host, self.on, "server.on")
        for flags in (self.flags, *self.on.values()):
            self._check_flags(flags)
        require(self.ranks >= 1, "server.ranks", "must be at least 1")
        self._check_parallel(model)
        self._check_answers()
        self._check_graphs()
        own = ", ".join(sorted(declared(self.watch.kinds)))
        require(not own, "server.watch", f"{own}: only a kernel case can report a kind of its own")
        require(not self.loads or "load" in self.params, "server.loads", "needs a parameter named load")
        super().__post_init__()

    def watch_on(self, platform: Platform | None) -> Watch:
        """What is judged of it there."""
        return self.watch

    def traffic_at(self, params: Params) -> Traffic:
        """The load at one point of the parameter space."""
        return self.loads.get(params.get("load", ""), self.traffic)

    def on_host(self, host: Host) -> ServerCase:
        """The case as it is on that kind of machine; the same for a second call."""
        if self.graphs is None or host.has_devices:
            return self
        load = self.graphs.traffic or self.traffic
        needs = frozenset({Feature.INTERPRETER})
        return replace(self, requires=needs, grid=self.graphs.grid, traffic=load)

    def dtype_on(self, host: Host) -> str:
        """The type of the weights there."""
        return self.dtype if host.has_devices else "float32"

    def tolerance_on(self, host: Host) -> Tolerance:
        """How far answers there may be from the reference."""
        return self.coarser.get(self.dtype_on(host), self.tolerance)

    def _check_parallel(self, model: Model) -> None:
        size = self.flags.get("dp-size", "1")
        require(size.isdigit() and int(size) >= 1, "server.flags.dp-size", f"{size!r} is no number")
        require(
            self.ranks % int(size) == 0, "server.flags.dp-size", f"{size} does not divide {self.ranks} ranks"
        )
        able = model in _DATA_PARALLEL_ATTENTION or "enable-dp-attention" not in self.flags
        known = ", ".join(sorted(_DATA_PARALLEL_ATTENTION))
        require(able, "server.model", f"upstream serves data-parallel attention for {known}, not for {model}")

    def _check_answers(self) -> None:
        judged = self.watch.judges(FaultKind.WRONG_VALUE, None)
        require(
            self.answers_bind or not judged,
            "server.answers_bind",
            "is false: then watch no wrong-value either",
        )

    def _check_graphs(self) -> None:
        if self.graphs is None:
            return
        off = "disable-cuda-graph" in {**self.flags, **self.on.get(Host.CPU, {})}
        require(not off, "server.graphs", "disable-cuda-graph leaves none: take that flag away")
        unknown = sorted(set(dict(self.graphs.grid.items())) - set(self.params))
        require(not unknown, "server.graphs.grid", f"the case takes no parameter {', '.join(unknown)}")

    def _check_flags(self, flags: Mapping[str, str]) -> None:
        for flag, value in flags.items():
            require(not flag.startswith("-"), "server.flags", f"{flag}: write flags without dashes")
            require(flag not in _OWN_FLAGS, "server.flags", f"{flag}: write {_OWN_FLAGS.get(flag)} instead")
            for _, name, _, _ in string.Formatter().parse(value):
                known = name is None or name in self.params
                require(known, f"server.flags.{flag}", f"{name!r} is no parameter")

    def command(self, host: Host, params: Params, model: str, draft: str | None) -> tuple[str, ...]:
        """All arguments but those that a server gets afresh each time: port and key."""
        paths = ("--model-path", model, *(("--speculative-draft-model-path", draft) if draft else ()))
        return (*paths, *self.arguments(host, params))

    def arguments(self, host: Host, params: Params) -> tuple[str, ...]:
        """The command-line arguments beside the model's, on `host`, at one point."""
        flags: dict[str, Any] = {**self.flags, **self.on.get(host, {})}
        words: list[str] = ["--tp-size", str(self.ranks)] if self.ranks > 1 else []
        for flag, value in flags.items():
            words += [f"--{flag}", value.format(**params)] if value else [f"--{flag}"]
        return tuple(words)
