"""What a reproducer is written in: frozen records that check themselves when they are made.

A record never imports torch or the code under test, so that listing reproducers stays instant.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from harness.errors import BadInput, FactsError

FAULT_KINDS = frozenset(
    {
        "oob-write", "oob-read", "index-range", "short-buffer", "wrong-value", "nan", "exception",
        "device-fault", "signature", "crash", "hang", "leak",
    }
)  # fmt: skip
ENDING_KINDS = frozenset({"exception", "crash", "hang", "device-fault"})
"""Faults that end a run: whatever came after them was not seen, so they bind in every case."""

Params = Mapping[str, Any]


def _require(holds: object, field_name: str, problem: str) -> None:
    if not holds:
        raise FactsError(f"{_author()}: {field_name}: {problem}")


def _author() -> str:
    """The module that is constructing the record: the first frame outside this file and dataclasses."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__") in (__name__, "dataclasses", None):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "?"))


# --- the bug -------------------------------------------------------------------------------

_RELEASE = re.compile(r"\d+(\.\d+)*(\.post\d+|rc\d+)?")


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One fixed upstream bug. `introduced_in` is the first affected release, or None if unknown."""

    fixed_in: str
    symptom: str
    pr: int | None = None
    issue: int | None = None
    introduced_in: str | None = None

    def __post_init__(self) -> None:
        _require(self.pr or self.issue, "pr", "a bug needs a pull request or an issue number")
        for name in ("fixed_in", "introduced_in"):
            value = getattr(self, name)
            _require(value is None or _RELEASE.fullmatch(value), name, f"{value!r} is no release")
        _require(self.symptom.strip(), "symptom", "is empty")


# --- the revert ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """Replace one statement or expression in one function; `by` empty removes a statement.

    In `replace`, the name `ANY` stands for any expression, `ANY(...)`'s dots for any arguments,
    and a body of `...` for any body: see docs/reverts.md.
    """

    in_function: str
    replace: str
    by: str = ""

    def __post_init__(self) -> None:
        _require(
            re.fullmatch(r"\w+(\.\w+)*", self.in_function),
            "in_function",
            f"{self.in_function!r} is no qualified name",
        )
        _require(self.replace.strip(), "replace", f"nothing to look for in {self.in_function}")
        for name in ("replace", "by"):
            try:
                ast.parse(getattr(self, name))
            except SyntaxError as error:
                _require(False, name, f"{getattr(self, name)!r} is no Python: {error.msg}")


def edit(*, in_function: str, replace: str = "", by: str = "", remove: str = "") -> Edit:
    """An edit; `remove=` says plainly what `replace=` with an empty `by=` would."""
    _require(bool(replace) != bool(remove), "edit", f"{in_function}: give replace= and by=, or remove=")
    _require(bool(by) == bool(replace), "edit", f"{in_function}: replace= needs by=")
    return Edit(in_function, replace or remove, by)


@dataclass(frozen=True)
class Form:
    """The edits that undo the fix as some releases spell it; each must match exactly once."""

    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        _require(self.edits, "revert", "a form without edits undoes nothing")


def form(*edits: Edit) -> Form:
    return Form(edits)


@dataclass(frozen=True, init=False)
class Revert:
    """Alternative forms of one undoing, of which exactly one must match a tree."""

    forms: tuple[Form, ...]

    def __init__(self, *parts: Edit | Form) -> None:
        _require(parts, "revert", "a revert without edits undoes nothing")
        plain = [part for part in parts if isinstance(part, Edit)]
        _require(not plain or len(plain) == len(parts), "revert", "give edits or forms, not both")
        forms = (Form(tuple(plain)),) if plain else tuple(p for p in parts if isinstance(p, Form))
        object.__setattr__(self, "forms", forms)

    @property
    def functions(self) -> tuple[str, ...]:
        """Qualified names of every function that some form edits, in order of first mention."""
        return tuple(dict.fromkeys(e.in_function for f in self.forms for e in f.edits))


# --- parameters ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Lists:
    """The lists that a sweep tries: of each of these lengths, out of these values."""

    lengths: Sequence[int]
    values: Sequence[int]

    def __post_init__(self) -> None:
        _require(len(self.lengths) and len(self.values), "sweep", "has no lengths, or no values")
        _require(min(self.lengths) >= 0, "sweep.lengths", f"{min(self.lengths)} is no length")


@dataclass(frozen=True)
class Integer:
    """A whole number of at least `minimum`; `sweep` are those that a sweep tries beside the grid's."""

    default: int
    minimum: int = 1
    sweep: Sequence[int] = ()

    def __post_init__(self) -> None:
        _require(all(value >= self.minimum for value in self.sweep), "sweep", f"goes below {self.minimum}")

    def parse(self, text: str) -> int:
        try:
            return self.check(int(text))
        except ValueError:
            raise BadInput(f"{text!r} is no whole number") from None

    def check(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < self.minimum:
            raise BadInput(f"{value!r} is no whole number of at least {self.minimum}")
        return value


@dataclass(frozen=True)
class Integers:
    """A comma list of whole numbers, each of at least `minimum`; empty only where `fewest` is 0.

    `sweep` are the lists that a sweep tries beside the grid's.
    """

    default: tuple[int, ...]
    minimum: int = 1
    fewest: int = 1
    sweep: Lists | None = None

    def __post_init__(self) -> None:
        if self.sweep:
            _require(min(self.sweep.values) >= self.minimum, "sweep", f"goes below {self.minimum}")
            _require(min(self.sweep.lengths) >= self.fewest, "sweep", f"has lists shorter than {self.fewest}")

    def parse(self, text: str) -> tuple[int, ...]:
        try:
            return self.check(tuple(int(part) for part in text.split(",") if text.strip()))
        except ValueError:
            raise BadInput(f"{text!r} is no comma list of whole numbers") from None

    def check(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, tuple | list) or len(value) < self.fewest:
            raise BadInput(f"{value!r} is no list of at least {self.fewest} whole numbers")
        return tuple(Integer(self.minimum, self.minimum).check(item) for item in value)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    default: str
    values: tuple[str, ...]

    def parse(self, text: str) -> str:
        return self.check(text)

    def check(self, value: object) -> str:
        if value not in self.values:
            raise BadInput(f"{value!r} is not one of {', '.join(self.values)}")
        return str(value)


Param = Integer | Integers | Choice


class Grid(Mapping[str, tuple[Any, ...]]):
    """Axes whose cross product a case runs beside its default point: `Grid(page_size=[1, 16])`."""

    def __init__(self, **axes: Sequence[Any]) -> None:
        for name, values in axes.items():
            _require(len(values) > 0, f"grid.{name}", "has no values")
        self._axes = MappingProxyType({name: tuple(values) for name, values in axes.items()})

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination, as the overrides it makes; nothing for a grid without axes."""
        if self._axes:
            for values in itertools.product(*self._axes.values()):
                yield dict(zip(self._axes, values, strict=True))


# --- cases ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a case judges: fault kinds, and, if named, buffers. The rest is a finding.

    Faults that end a run are always watched: see `ENDING_KINDS`.
    """

    kinds: frozenset[str]
    buffers: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        unknown = sorted(self.kinds - FAULT_KINDS)
        _require(not unknown, "watch.kinds", f"unknown fault kinds {', '.join(unknown)}")
        _require(self.kinds, "watch.kinds", "is empty: such a case judges nothing")


def watch(*kinds: str, buffers: Sequence[str] = ()) -> Watch:
    return Watch(kinds=frozenset(kinds), buffers=frozenset(buffers))


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a float may be from its reference, and why that far."""

    absolute: float
    relative: float
    reason: str

    def __post_init__(self) -> None:
        _require(self.absolute >= 0 and self.relative >= 0, "tolerance", "is negative")
        _require(self.reason.strip(), "tolerance.reason", "is empty")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the cases of every tier have: real upstream functions to call, at some points.

    `call(lab, **params)` drives upstream; `imports` are the upstream modules loaded before it.
    `check(params)` raises BadInput for a combination that means nothing, such as a sequence longer
    than its context. `requires` are features beyond the reproducer's, `stand_ins` the accelerator
    libraries that upstream imports names from after `imports` (inert where they are missing),
    `seconds` the limit of one arm.
    """

    tier: ClassVar[str] = "case"

    call: Callable[..., Mapping[str, Any]]
    params: Mapping[str, Param]
    imports: tuple[str, ...]
    grid: Grid = field(default_factory=Grid)
    check: Callable[[Params], None] | None = None
    requires: frozenset[str] = frozenset()
    stand_ins: tuple[str, ...] = ()
    seconds: float = 120.0

    def __post_init__(self) -> None:
        taken = list(inspect.signature(self.call).parameters)[1:]
        _require(
            set(taken) == set(self.params),
            f"{self.tier}.params",
            f"{self.call.__name__} takes {taken}, not {list(self.params)}",
        )
        for name, values in self.grid.items():
            _require(
                name in self.params,
                f"{self.tier}.grid.{name}",
                f"{self.call.__name__} takes no such parameter",
            )
            for value in values:
                self._check_value(name, value)
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        for point in self.points():
            self._check_point(point)

    def point(self, overrides: Params) -> dict[str, Any]:
        """The default point with some values changed; BadInput where they do not go together."""
        point = {**self.default, **overrides}
        if self.check:
            self.check(point)
        return point

    def _check_point(self, point: Params) -> None:
        try:
            self.point(point)
        except BadInput as error:
            _require(False, f"{self.tier}.grid", str(error))

    def _check_value(self, name: str, value: object) -> None:
        try:
            self.params[name].check(value)
        except BadInput as error:
            _require(False, f"{self.tier}.grid.{name}", str(error))

    @property
    def default(self) -> dict[str, Any]:
        return {name: param.default for name, param in self.params.items()}

    def points(self) -> list[dict[str, Any]]:
        """The default point first, then the rest of the grid without repeating it."""
        points = [self.default]
        for overrides in self.grid.points():
            point = {**self.default, **overrides}
            if point not in points:
                points.append(point)
        return points


@dataclass(frozen=True, kw_only=True)
class KernelCase(Case):
    """Calls real upstream functions in one arm and watches memory.

    `call` returns the declared outputs by name (tensors, numbers, lists); `reference(**params)`,
    where given, returns what some of them should be, in float64.
    `pretends` is the platform ("cuda" or "rocm") whose side of upstream's own switches the call is to take;
    `platform` is the one ("rocm") whose real accelerator it needs.
    """

    tier: ClassVar[str] = "kernel"

    watch: Watch
    reference: Callable[..., Mapping[str, Any]] | None = None
    tolerance: Tolerance | None = None
    pretends: str | None = None
    platform: str | None = None

    def __post_init__(self) -> None:
        _require(
            bool(self.reference) == bool(self.tolerance),
            "kernel.tolerance",
            "a reference needs one, and it needs a reference",
        )
        _require(
            self.pretends in (None, "cuda", "rocm"),
            "kernel.pretends",
            f"{self.pretends!r} is not cuda or rocm",
        )
        _require(
            self.platform in (None, "cuda", "rocm"),
            "kernel.platform",
            f"{self.platform!r} is not cuda or rocm",
        )
        if self.platform:
            object.__setattr__(self, "requires", self.requires | {self.platform})
        super().__post_init__()


_TARGET = re.compile(r"rocm-gfx[0-9a-f]+|cuda-sm\d+")


@dataclass(frozen=True, kw_only=True)
class CodegenCase(Case):
    """Compiles the Triton kernels that real upstream functions would launch, for GPUs that need not be here.

    `call` drives upstream's own dispatcher; what it launches is compiled instead, with the signature
    and the constants of that launch, and nothing is run. `targets` are the platforms to compile for
    (rocm-gfx942, cuda-sm90); `controls` are further ones, on which both arms are meant to agree.
    """

    tier: ClassVar[str] = "codegen"

    targets: tuple[str, ...]
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.targets, "codegen.targets", "is empty: there is nothing to compile for")
        for target in self.platforms:
            _require(
                _TARGET.fullmatch(target),
                "codegen.targets",
                f"{target!r} is not like rocm-gfx942 or cuda-sm90",
            )
            _require(self.platforms.count(target) == 1, "codegen.targets", f"{target} is named twice")
        super().__post_init__()

    @property
    def platforms(self) -> tuple[str, ...]:
        """Targets and controls, in the order in which they are shown."""
        return (*self.targets, *self.controls)


Bites = Mapping[str, Sequence[Any]] | Callable[[Params], bool]


@dataclass(frozen=True, kw_only=True)
class ExpectedFault:
    """The shape of the bug: what the reverted arm shows, and at which points only."""

    kind: str
    buffer: str | None = None
    kernel: str | None = None
    only: Bites | None = None

    def __post_init__(self) -> None:
        _require(self.kind in FAULT_KINDS, "expect.kind", f"unknown fault kind {self.kind!r}")

    def bites_at(self, params: Params) -> bool:
        """Whether the bug can show at this point of the parameter space."""
        if self.only is None:
            return True
        if callable(self.only):
            return bool(self.only(params))
        return all(params[name] in values for name, values in self.only.items())


def faults(
    kind: str, *, buffer: str | None = None, kernel: str | None = None, only: Bites | None = None
) -> ExpectedFault:
    return ExpectedFault(kind=kind, buffer=buffer, kernel=kernel, only=only)


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What the reverted arm shows; `codegen` is that of the codegen tier, where it is another."""

    reverted: ExpectedFault
    codegen: ExpectedFault | None = None

    def at(self, tier: str) -> Expect:
        """The expectation in one tier."""
        return Expect(reverted=self.codegen) if tier == "codegen" and self.codegen else self


# --- the reported server -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the report's server is started on one platform ("cuda" or "rocm").

    `flags` go to `sglang.launch_server`, an empty value being a switch; `note` says what differs
    from the report there, or why the bug cannot show.
    """

    platform: str
    flags: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        _require(
            self.platform in ("cuda", "rocm"), "launch.platform", f"{self.platform!r} is not cuda or rocm"
        )
        _require(
            not any(name.startswith("-") for name in self.flags), "launch.flags", "write flags without dashes"
        )

    def command(self, model: str) -> str:
        """The shell command."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        words += ["python3", "-m", "sglang.launch_server", "--model-path", model]
        for name, value in self.flags.items():
            words += [f"--{name}", shlex.quote(value)] if value else [f"--{name}"]
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class ReportedServer:
    """The server configuration in which the bug was reported, to be tried by hand.

    `client` is the shell command of the load, `expect` what the affected release does under it.
    """

    model: str
    launches: tuple[Launch, ...]
    client: str
    expect: str

    def __post_init__(self) -> None:
        _require(self.launches, "reported.launches", "is empty")
        _require(
            self.client.strip() and self.expect.strip(),
            "reported",
            "names no client command or no expectation",
        )


# --- the whole -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reproducer:
    """One fixed bug, its undoing and its cases. Its names and its prose come from its module.

    `device` is a second case of the kernel tier, for what only a real accelerator can show. `formerly`
    names the functions that held the bug in releases without those of the revert, so that arms of
    such a release can be attested too.
    """

    bug: Bug
    revert: Revert
    expect: Expect
    requires: frozenset[str] = frozenset()
    formerly: tuple[str, ...] = ()
    reported: ReportedServer | None = None
    codegen: CodegenCase | None = None
    kernel: KernelCase | None = None
    device: KernelCase | None = None
    module: str = ""
    title: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        _require(self.tiers, "reproducer", "has no case in any tier")
        _require(
            not self.device or (self.kernel and self.device.platform),
            "device",
            "needs a platform, and a kernel case beside it",
        )
        object.__setattr__(self, "requires", frozenset(self.requires))
        module = sys.modules.get(_author())
        doc = inspect.cleandoc(getattr(module, "__doc__", None) or "")
        derived = {"module": _author(), "title": doc.partition("\n")[0], "about": doc}
        for attribute, value in derived.items():
            object.__setattr__(self, attribute, getattr(self, attribute) or value)
        self._check_only()

    def case(self, tier: str, platform: str | None = None) -> Any:
        """The case of one tier and platform, as `platforms` names it."""
        return self.device if tier == "kernel" and platform is not None else getattr(self, tier)

    def platforms(self, tier: str) -> tuple[str | None, ...]:
        """What a tier is judged for, one result each; None is whatever machine it runs on."""
        if tier == "codegen" and self.codegen:
            return self.codegen.platforms
        return (None, self.device.platform) if tier == "kernel" and self.device else (None,)

    @property
    def id(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def tiers(self) -> tuple[str, ...]:
        return tuple(tier for tier in ("codegen", "kernel", "server") if getattr(self, tier, None))

    @property
    def short_id(self) -> str:
        return self.id.partition("_")[0]

    def _check_only(self) -> None:
        only = self.expect.reverted.only
        if isinstance(only, Mapping) and self.kernel:
            unknown = sorted(set(only) - set(self.kernel.params))
            _require(not unknown, "expect.only", f"the case takes no parameter {', '.join(unknown)}")
