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
from harness.facts.place import Feature, Host, Platform, Tier, accelerator


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a case judges: fault kinds, and, if named, buffers. The rest is a finding.

    Faults that end a run (`exception`, `crash`, `hang`, `device-fault`) are always watched.
    """

    kinds: frozenset[str]
    """Words of `FaultKind`, or a `DeclaredKind` itself."""
    buffers: frozenset[str] = frozenset()
    """The buffers judged, by the names that faults give them; every buffer where none is named."""

    def __post_init__(self) -> None:
        for kind in sorted(self.kinds):
            check_kind(kind, "watch.kinds")
        require(self.kinds, "watch.kinds", "is empty: such a case judges nothing")

    def judges(self, kind: str, buffer: str | None) -> bool:
        """Whether a fault is part of the verdict, or a finding beside it."""
        named = not self.buffers or buffer in self.buffers
        return kind_of(kind).ends or (kind in self.kinds and named)


def watch(*kinds: str, buffers: Sequence[str] = ()) -> Watch:
    """A `Watch`, as a case writes it: `watch("oob-write", "wrong-value", buffers=["kv_indices"])`."""
    return Watch(kinds=frozenset(kinds), buffers=frozenset(buffers))


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a number may be from its reference, and why that far: `absolute + relative * |reference|`.

    Whole numbers get `absolute=0, relative=0`. Raises FactsError for a negative or infinite one.
    """

    absolute: float
    """In the output's own unit."""
    relative: float
    """As a share of the reference's value."""
    reason: str
    """Why that far; it cannot be empty."""

    def __post_init__(self) -> None:
        require(self.absolute >= 0 and self.relative >= 0, "tolerance", "is negative")
        require(math.isfinite(self.absolute + self.relative), "tolerance", "is beyond any number")
        require(self.reason.strip(), "tolerance.reason", "is empty")


RECORDED = Tolerance(absolute=1e-6, relative=1e-5, reason="summation order differs between builds")
"""How far floats may be from those of a golden, unless a case says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What every case takes: a parameter space, its default point, and the grid that is always run."""

    tier: ClassVar[Tier]

    params: Mapping[str, Param] = field(default_factory=dict)
    """Each parameter by its name: an `Integer`, an `Integers`, a `Choice` or a `Boolean`. Their defaults
    are the default point, which runs first, and whose trace the golden keeps."""
    grid: Grid = field(default_factory=Grid)
    """The points that run beside the default one."""
    check: Callable[[Params], None] | None = None
    """Called with a point's parameters as one mapping; raises `harness.errors.BadInput` for a combination
    that means nothing, such as a sequence longer than its context. The grid must have no such point
    (FactsError); a sweep leaves them out, and `--set` is refused with the message."""
    requires: frozenset[str] = frozenset()
    """Words of `Feature` that this case needs beyond the reproducer's `requires`."""
    seconds: float = 120.0
    """How long an arm may take for one answer; a longer silence is a `hang`. Time in which the machine
    gave it no processor does not count."""
    recorded: Tolerance = RECORDED
    """How far floats may be from those of the golden."""

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
    """What the cases take that call real upstream functions: those of the kernel and the codegen tier."""

    call: Callable[..., Mapping[str, Any]]
    """`call(lab, *, page_size, …)` drives upstream with exactly the names of `params` (FactsError for
    others), and returns outputs by name: tensors, numbers or lists of them. It imports torch and upstream
    inside itself."""
    imports: tuple[str, ...]
    """The upstream modules, by their dotted names, that are loaded before the call. Where a function has
    moved, name the module from which every release hands it out."""
    ahead: tuple[str, ...] = ()
    """Modules that come before those, in releases that have them: what they and the call import anyway, and
    what does not itself import the code that the revert edits. Arms of a case have them in common, and none
    takes the time. Under `pretends`, name none that the call alone imports."""
    stand_ins: tuple[str, ...] = ()
    """Accelerator libraries that upstream imports names from after that, such as `sgl_kernel`: inert names
    stand in where the library is missing, and calling one is a defect of the case.
    `harness/host/libraries.py` has those that can stand in."""

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
    """Calls real upstream functions in one arm and watches memory: on the CPU, unless it names a platform."""

    tier = Tier.KERNEL

    watch: Watch
    """The fault kinds, and buffers, that are judged: `watch(…)`."""
    reference: Callable[..., Mapping[str, Any]] | None = None
    """`reference(*, page_size, …)` takes the parameters as keywords, as `call` does but without `lab`, and
    returns what outputs of the call should be, by the same names; it may leave some out. Tensors, arrays,
    numbers and lists are compared as float64, element by element; what differs is a `wrong-value` in the
    buffer of that name, a NaN that should be none is `nan`. Neither counts unless `watch` has it. It calls no
    upstream code: it runs in both arms."""
    tolerance: Tolerance | None = None
    """How far an output may be from its reference; one is not given without the other."""
    pretends: str | None = None
    """`"cuda"` or `"rocm"`: the side that upstream's own switches (`is_hip()`, `_is_hip`, `_is_cpu`) take,
    set once `imports` are loaded. It moves no tensor and meets no `assert tensor.is_cuda`: where a wrapper
    asserts that, launch the kernel itself, as the wrapper does."""
    platform: str | None = None
    """`"cuda"` or `"rocm"`: a case that needs the real accelerator; `on("rocm")` of a case makes one."""
    graphs: bool = False
    """Whether the call captures and replays CUDA graphs (`torch.cuda.graph`). On the CPU they are recorded
    there (docs/graphs.md), pinned memory is the host's plain one, and results are `emulated`."""
    emulated: tuple[str, ...] = ()
    """AMD chips whose machine code is executed in the interpreter's place as well, each with a result of its
    own: `("gfx942", "gfx950")`. Triton compiles the kernels for them on any CPU."""

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
        for chip in self.emulated:
            member(Platform.parse, f"{Host.EMULATED}-{chip}", "kernel.emulated")
            require(self.emulated.count(chip) == 1, "kernel.emulated", f"{chip} is named twice")
        require(not (self.emulated and self.platform), "kernel.emulated", "is for a case on the CPU")
        require(not (self.emulated and self.graphs), "kernel.emulated", "is for a case without graphs")
        super().__post_init__()

    @property
    def emulations(self) -> tuple[Platform, ...]:
        """The platforms on which its kernels' machine code is executed."""
        return tuple(Platform(Host.EMULATED, chip) for chip in self.emulated)

    def on(self, platform: str, **changes: Any) -> KernelCase:
        """The same case on a real accelerator, where kernels are compiled: nothing is pretended there."""
        own = {"pretends": None, "emulated": (), "seconds": 240.0}
        return replace(self, platform=platform, **{**own, **changes})

    def watch_on(self, platform: Platform | None) -> Watch:
        """What is judged of it there."""
        return self.watch


@dataclass(frozen=True, kw_only=True)
class CodegenCase(Case):
    """Compiles the Triton kernels that real upstream functions would launch, for GPUs that need not be here.

    `call` drives upstream's own dispatcher; what it launches is compiled instead, with the signature
    and the constants of that launch, and nothing is run.
    """

    tier = Tier.CODEGEN

    targets: tuple[str, ...]
    """The platforms to compile for: `rocm-gfx942`, `cuda-sm90`."""
    controls: tuple[str, ...] = ()
    """Further ones, on which both arms are meant to agree."""

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
