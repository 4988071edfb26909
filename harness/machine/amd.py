"""The AMD GPUs of this machine, as the kernel's driver publishes them: no HIP context, no torch.

The driver (amdkfd) has a folder for each node of its topology in sysfs; which of them its runtime counts as
a GPU is read in ROCR-Runtime's libhsakmt (`topology_sysfs_check_node_supported`) and `BuildTopology`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_NODES = Path("sys/class/kfd/kfd/topology/nodes")
_DRIVER = Path("sys/module/amdgpu/version")
_CONTROL = Path("dev/kfd")
_FUNCTION_BITS = 3
"""The lowest bits of a PCI location: the partitions of one card are its functions."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A node that computes. Each partition of a partitioned card is a node, and to HIP a GPU, of its own.

    `node` is its number in the topology, `version` its gfx_target_version (0 where an old kernel tells
    none), `render` the minor number of its render node, `device` its PCI device id. `uuid` is ROCr's name of
    it, None for a chip without one; `card` is its PCI domain, bus and device, which partitions share.
    """

    node: int
    version: int
    render: int
    device: int
    uuid: str | None
    card: tuple[int, int]

    @property
    def architecture(self) -> str:
        """As compilers call it: 90402 is gfx942, 90010 gfx90a, 110000 gfx1100."""
        major, minor, step = self.version // 10000, self.version // 100 % 100, self.version % 100
        return f"gfx{major}{minor:x}{step:x}"


def published(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """Every GPU whose node can be read, in the order of the nodes.

    A container reads the nodes of those GPUs alone that it was given. `root` stands for the file system in
    tests.
    """
    folder = root / _NODES
    numbers = sorted(int(entry.name) for entry in _entries(folder) if entry.name.isdigit())
    return tuple(_gpus(folder, numbers))


def usable(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """Those of them that this user may open, as the runtime does before it counts them."""
    if not _opens(root / _CONTROL):
        return ()
    return tuple(gpu for gpu in published(root) if _opens(render_node(gpu, root)))


def render_node(gpu: Gpu, root: Path = Path("/")) -> Path:
    return root / f"dev/dri/renderD{gpu.render}"


def driver(root: Path = Path("/")) -> str | None:
    """The version of an amdgpu driver that is not the kernel's own; that one tells none."""
    return _text(root / _DRIVER) or None


def name(gpu: Gpu, root: Path = Path("/")) -> str:
    """The product's name as its own memory has it, else its PCI id: AMD Instinct MI300X OAM, AMD 0x74a1."""
    told = _text(root / f"sys/class/drm/renderD{gpu.render}/device/product_name")
    return told or f"AMD {gpu.device:#06x}"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _gpus(folder: Path, numbers: list[int]) -> Iterator[Gpu]:
    for number in numbers:
        if _text(folder / f"{number}/gpu_id") in (None, "", "0"):  # closed to this container, or a CPU
            continue
        told = _properties(_text(folder / f"{number}/properties") or "")
        if told.get("simd_count"):
            yield _gpu(number, told)


def _gpu(number: int, told: Mapping[str, int]) -> Gpu:
    unique = told.get("unique_id", 0)
    return Gpu(
        node=number,
        version=told.get("gfx_target_version", 0),
        render=told.get("drm_render_minor", 0),
        device=told.get("device_id", 0),
        uuid=f"GPU-{unique:016x}" if unique else None,
        card=(told.get("domain", 0), told.get("location_id", 0) >> _FUNCTION_BITS),
    )


def _properties(text: str) -> dict[str, int]:
    """A line each: a name and a whole number."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _text(path: Path) -> str | None:
    """What a file of the driver's says; None where it is not there or not for this process."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def _opens(path: Path) -> bool:
    """Whether this process can open a device: a container's rules are looked at then, and not before.

    Whatever the reason, the runtime leaves out a GPU that does not open, and `refault doctor` names it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True
