"""What the kernel and the codegen tier run: upstream functions, at some points."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

from harness.errors import BadInput
from harness.facts.checks import Params, member, members, require
from harness.facts.kinds import FaultKind, check_kind, kind_of
from harness.facts.params import Grid, Param
from harness.facts.place import Feature, Platform, Tier, accelerator


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a case judges: fault kinds, and, if named, buffers. The rest is a finding.

    Faults that end a run are always watched: see `FaultKind.ends`.
    """

    kinds: frozenset[str]
    buffers: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for kind in sorted(self.kinds):
            check_kind(kind, "watch.kinds")
        require(self.kinds, "watch.kinds", "is empty: such a case judges nothing")

    def judges(self, kind: str, buffer: str | None) -> bool:
        """Whether a fault is part of the verdict, or a finding beside it."""
        named = not self.buffers or buffer in self.buffers
        return kind_of(kind).ends or (kind in self.kinds and named)


def watch(*kinds: str, buffers: Sequence[str] = ()) -> Watch:
    return Watch(kinds=frozenset(kinds), buffers=frozenset(buffers))


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a float may be from its reference, and why that far."""

    absolute: float
    relative: float
    reason: str

    def __post_init__(self) -> None:
        require(self.absolute >= 0 and self.relative >= 0, "tolerance", "is negative")
        require(math.isfinite(self.absolute + self.relative), "tolerance", "is beyond any number")
        require(self.reason.strip(), "tolerance.reason", "is empty")


RECORDED = Tolerance(absolute=1e-6, relative=1e-5, reason="summation order differs between builds")
"""How far floats may be from those of a golden, unless a case says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A parameter space, its default point, and the grid of points that is always run.

    `check(params)` raises BadInput for a combination that means nothing, such as a sequence longer
    than its context. `requires` are features (`Feature`) beyond the reproducer's, `seconds` the limit of one
    arm, `recorded` how far floats may be from those of the golden.
    """

    tier: ClassVar[Tier]

    params: Mapping[str, Param] = field(default_factory=dict)
    grid: Grid = field(default_factory=Grid)
    check: Callable[[Params], None] | None = None
    requires: frozenset[str] = frozenset()
    seconds: float = 120.0
    recorded: Tolerance = RECORDED

    def __post_init__(self) -> None:
        object.__setattr__(self, "requires", members(Feature, self.requires, f"{self.tier}.requires"))
        for name, values in self.grid.items():
            require(name in self.params, f"{self.tier}.grid.{name}", "the case takes no such parameter")
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

    def is_control(self, platform: Platform | None) -> bool:
        """Whether both arms are meant to agree there."""
        return False

    def _check_point(self, point: Params) -> None:
        try:
            self.point(point)
        except BadInput as error:
            require(False, f"{self.tier}.grid", str(error))

    def _check_value(self, name: str, value: object) -> None:
        try:
            self.params[name].check(value)
        except BadInput as error:
            require(False, f"{self.tier}.grid.{name}", str(error))

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
class Case(Space):
    """Real upstream functions to call, at some points.

    `call(lab, **params)` drives upstream. `imports` are the upstream modules loaded before it;
    `stand_ins` are accelerator libraries that upstream imports names from later, for which inert names
    stand in where they are missing.
    """

    call: Callable[..., Mapping[str, Any]]
    imports: tuple[str, ...]
    stand_ins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        taken = list(inspect.signature(self.call).parameters)[1:]
        require(
            set(taken) == set(self.params),
            f"{self.tier}.params",
            f"{self.call.__name__} takes {taken}, not {list(self.params)}",
        )
        super().__post_init__()


@dataclass(frozen=True, kw_only=True)
class KernelCase(Case):
    """Calls real upstream functions in one arm and watches memory.

    `call` returns the declared outputs by name (tensors, numbers, lists); `reference(**params)`,
    where given, returns what some of them should be, in float64.
    `pretends` is the platform ("cuda" or "rocm") whose side of upstream's own switches the call is to take;
    `platform` is the one ("rocm") whose real accelerator it needs.
    """

    tier = Tier.KERNEL

    watch: Watch
    reference: Callable[..., Mapping[str, Any]] | None = None
    tolerance: Tolerance | None = None
    pretends: str | None = None
    platform: str | None = None

    def __post_init__(self) -> None:
        require(
            bool(self.reference) == bool(self.tolerance),
            "kernel.tolerance",
            "a reference needs one, and it needs a reference",
        )
        if self.pretends:
            accelerator(self.pretends, "kernel.pretends")
        if self.platform:
            needed = accelerator(self.platform, "kernel.platform")
            object.__setattr__(self, "requires", self.requires | {needed})
        super().__post_init__()

    def on(self, platform: str, **changes: Any) -> KernelCase:
        """The same case on a real accelerator, where kernels are compiled: nothing is pretended there."""
        return replace(self, platform=platform, **{"pretends": None, "seconds": 240.0, **changes})

    def watch_on(self, platform: Platform | None) -> Watch:
        """What is judged of it there."""
        return self.watch


@dataclass(frozen=True, kw_only=True)
class CodegenCase(Case):
    """Compiles the Triton kernels that real upstream functions would launch, for GPUs that need not be here.

    `call` drives upstream's own dispatcher; what it launches is compiled instead, with the signature
    and the constants of that launch, and nothing is run. `targets` are the platforms to compile for
    (rocm-gfx942, cuda-sm90); `controls` are further ones, on which both arms are meant to agree.
    """

    tier = Tier.CODEGEN

    targets: tuple[str, ...]
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.targets, "codegen.targets", "is empty: there is nothing to compile for")
        named = [*self.targets, *self.controls]
        for target in named:
            chip = member(Platform.parse, target, "codegen.targets").chip
            require(chip, "codegen.targets", f"{target!r} is not like rocm-gfx942 or cuda-sm90")
            require(named.count(target) == 1, "codegen.targets", f"{target} is named twice")
        super().__post_init__()

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Targets and controls, in the order in which they are shown."""
        return tuple(map(Platform.parse, (*self.targets, *self.controls)))

    def is_control(self, platform: Platform | None) -> bool:
        return str(platform) in self.controls

    def watch_on(self, platform: Platform | None) -> Watch:
        """What is judged of it there: on a control, signatures are what both arms share."""
        beside = {FaultKind.SIGNATURE} if self.is_control(platform) else set()
        return Watch(kinds=frozenset(FaultKind) - beside)
