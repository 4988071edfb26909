"""The codegen tier: compiles what one case would launch, for a GPU that need not be here, in one arm.

It says what was compiled, never what would happen on the GPU: its faults are signatures.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import Unresolved
from harness.facts import CodegenCase, Platform, Tier
from harness.host import platform_switches, preload, targets
from harness.host.stand_ins import StandIn
from harness.host.targets import Target
from harness.observation import Event, Fault, Point, parted
from harness.process.testimony import Testimony
from harness.process.trunk import Alone, Own, Part, Parting
from harness.tiers import exceptions
from harness.tiers.codegen import access, assembly
from harness.tiers.entry import Entry
from harness.tiers.upstream import upstream

PROVES = "a signature identifies the kernel that would be launched; it does not prove wrong values"


@dataclass(frozen=True)
class CodegenLab:
    """One point of one case on one arm and target, as a reproducer sees it."""

    target: Target
    root: Path
    entered: Callable[[str], None]
    events: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stand_in(self, name: str, **known: Any) -> StandIn:
        """An object that knows only these attributes, for what upstream reads its facts from."""
        return StandIn(name, **known)

    def upstream(self, name: str, *, in_module: str = "") -> Any:
        """Upstream's function or class of this qualified name, wherever this release has its module."""
        return upstream(self.root, name, in_module)

    def note(self, text: str) -> None:
        """Something a person should know about this point; never part of the verdict."""
        self.notes.append(text)

    @contextmanager
    def observe(self, phase: str) -> Iterator[None]:
        """Compile what the block launches instead of running it; the trace notes the phase."""
        self.events.append({"event": "phase", "phase": phase})
        with targets.compiling(self.target, self._compiled):
            yield

    def _compiled(self, function: Any, kernel: Any) -> None:
        self.entered(function.__name__)
        try:
            event = facts(function, kernel, self.target)
        except Exception as error:
            # Upstream's frames are below this one; what fails here is still none of its doing.
            raise Unresolved(f"{function.__name__}: its compiled form cannot be read: {error!r}") from error
        self.events.append(event)
        self.faults.extend(signatures(event))


def facts(function: Any, kernel: Any, target: Target) -> dict[str, Any]:
    """What a trace keeps of one compiled launch; docs/codegen.md says what each fact means."""
    signature = {name: kind for name, kind in kernel.src.signature.items() if kind != "constexpr"}
    names = list(kernel.src.signature)
    declared = [parameter.name for parameter in function.params if parameter.is_constexpr]
    constants = {names[place]: value for (place, *_), value in kernel.src.constants.items()}
    found = access.accesses(kernel.asm["ttir"], list(signature))
    stores = assembly.machine_stores(kernel.asm[target.language], target.language)
    return {
        "event": "compiled",
        "kernel": function.__name__,
        "target": str(target.platform),
        "signature": signature,
        "constants": {name: _plain(constants[name]) for name in declared if name in constants},
        "loads": [access.to_json() for access in found if access.kind == "load"],
        "stores": [access.to_json() for access in found if access.kind == "store"],
        "machine_stores": assembly.counted(stores),
        "mixed_width": sorted({str(access.argument) for access in found if access.mixed_width}),
    }


def signatures(event: Event) -> Iterator[Fault]:
    """A fault of kind `signature` for each argument into which another width is stored than was computed."""
    for argument in event["mixed_width"]:
        stores = [s for s in event["stores"] if str(s.get("argument")) == argument and "conversion" in s]
        first = stores[0]
        text = f"{first['value']} {first['conversion']} and stored as {first['element']}"
        yield Fault(
            kind="signature", buffer=argument, kernel=event["kernel"], count=len(stores), message=text
        )


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else str(value)


# --- the arm ---------------------------------------------------------------------------------


def enter(payload: Mapping[str, Any], folder: Path, testimony: Testimony) -> dict[str, Any]:
    """Entry of the arm's child process: compile every point asked for."""
    return _entered(payload, Alone(Own(payload, folder, testimony)))


def grow(shared: Mapping[str, Any], parting: Parting) -> dict[str, Any]:
    """Entry of a trunk: the same, for all arms whose trees differ in what is watched alone."""
    return _entered(shared, parting)


def _entered(shared: Mapping[str, Any], part: Part) -> dict[str, Any]:
    patches = (*preload.PATCHES, *targets.PATCHES, *platform_switches.hide_hip())
    entry = Entry.begin(shared, part, Tier.CODEGEN, lambda payload: patches)
    # What was compiled before must not answer for this arm: the cache dies with the arm's scratch folder.
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
    payload = part().payload
    target = Target(Platform.parse(payload["platform"]))
    entry.patched(platform_switches.pretend(target.platform, payload["package"]))
    for params in entry.points():
        entry.keep(_point(entry, target, params))
    return entry.result()


def _point(entry: Entry, target: Target, params: Mapping[str, Any]) -> Point:
    case = entry.case
    assert isinstance(case, CodegenCase)
    lab = CodegenLab(target, entry.code, entry.launched)
    given = {name: case.params[name].check(value) for name, value in params.items()}
    ended: tuple[Fault, ...] = ()
    try:
        case.call(lab, **given)
    except Exception as error:
        logging.getLogger(__name__).exception("point %s", params)
        ended = (exceptions.as_fault(error, entry.code, entry.undone, entry.origin),)
    is_control = case.is_control(target.platform)
    faults, findings = parted((*ended, *dict.fromkeys(lab.faults)), case.watch_on(target.platform))
    return Point(
        params=params,
        faults=faults,
        findings=findings,
        notes=(*lab.notes, *_told(lab, is_control)),
        trace=tuple(lab.events),
    )


def _told(lab: CodegenLab, is_control: bool) -> Iterator[str]:
    """What a person should know about a point beside its facts."""
    launched = [event["kernel"] for event in lab.events if event["event"] == "compiled"]
    yield f"launches on {lab.target.platform}: {', '.join(launched) or 'no Triton kernel'}"
    if is_control:
        yield f"{lab.target.platform} is a declared control: both arms are meant to compile the same"
    if lab.faults:
        yield PROVES
