"""Which packages a kit carries: what the target lacks, or has in a version that will not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ci.kit.pins import Installed, Pins
from harness.errors import BadInput

GIVEN = ("numpy", "torch", "torchaudio", "torchvision", "triton")
"""The target's own accelerator stack: never carried, never replaced."""
CUDA = ("sglang-kernel", "torchao")
"""What upstream needs on CUDA beyond the pins of the CPU stack; upstream itself pins their versions."""

Requires = Callable[[str, str], Sequence[Requirement]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`carried` goes into the kit. `notes` are needs that stay unmet; they may never matter."""

    carried: Pins
    notes: tuple[str, ...]


def choose(upstream: str, pins: Pins, there: Installed, requires: Requires) -> Choice:
    """What to carry for a release of upstream, so that each carried package finds the versions it asks for.

    Raises BadInput where the target lacks the accelerator stack.
    """
    absent = [name for name in GIVEN if name not in there and name != "torchaudio"]
    if absent:
        raise BadInput(f"the target lacks {', '.join(absent)}: a kit builds on a machine that has torch")
    known = _known(upstream, pins, requires)
    carried = {name: version for name, version in known.items() if name not in there and name not in GIVEN}
    carried["sglang"] = upstream
    while replaced := _replaced(carried, known, there, requires):
        carried.update(replaced)
    return Choice(carried=dict(sorted(carried.items())), notes=_notes(carried, there, requires))


def _known(upstream: str, pins: Pins, requires: Requires) -> dict[str, str]:
    """The pins, each in the version that this release of upstream pins, where it does."""
    own: dict[str, str | None] = {
        canonicalize_name(need.name): _exact(need) for need in requires("sglang", upstream)
    }
    missing = [name for name in CUDA if not own.get(name)]
    if missing:
        raise BadInput(f"SGLang {upstream} does not pin {', '.join(missing)}: kits are made from 0.5.12 on")
    names = {*pins, *CUDA}
    return {name: own.get(name) or pins[name] for name in names}


def _exact(need: Requirement) -> str | None:
    """The one version that a requirement allows, if it names one."""
    exact = [spec.version for spec in need.specifier if spec.operator == "==" and "*" not in spec.version]
    return exact[0] if len(exact) == 1 else None


def _replaced(carried: Pins, known: Pins, there: Installed, requires: Requires) -> Mapping[str, str]:
    """Packages of the target in a version that something carried refuses, and that the pins have."""
    unmet = {
        canonicalize_name(need.name)
        for name, version in carried.items()
        for need in requires(name, version)
        if not _met(need, carried, there)
    }
    return {
        name: known[name] for name in unmet if name in known and name not in carried and name not in GIVEN
    }


def _met(need: Requirement, carried: Pins, there: Installed) -> bool:
    name = canonicalize_name(need.name)
    if name not in carried and name in there and there[name] is None:
        return True
    version = carried.get(name) or there.get(name)
    return version is not None and need.specifier.contains(version, prereleases=True)


def _notes(carried: Pins, there: Installed, requires: Requires) -> tuple[str, ...]:
    unmet = {
        f"{name} {version} asks for {need.name}{need.specifier}, {_has(need, carried, there)}"
        for name, version in carried.items()
        for need in requires(name, version)
        if not _met(need, carried, there)
    }
    return tuple(sorted(unmet))


def _has(need: Requirement, carried: Pins, there: Installed) -> str:
    name = canonicalize_name(need.name)
    version = carried.get(name) or there.get(name)
    return f"and gets {version}" if version else "which is left out"
