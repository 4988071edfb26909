"""AMD machines as their kernel driver publishes them: sysfs and device files of one, below a folder.

`recorded` machines have the values that a public report or test suite shows of a real one, `documented` ones
those that the driver's sources and the vendor's lists of chips and PCI ids lead to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NODES = "sys/class/kfd/kfd/topology/nodes"
_PLUGIN = "https://github.com/ROCm/k8s-device-plugin, testdata at ed7646843003"


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a GPU's node publishes of what is read."""

    version: int | None
    device: int
    location: int
    render: int
    unique: int
    simds: int
    domain: int = 0
    xccs: int = 1


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A machine, its CPUs' nodes first. `source` says where its values are from, `kind` how far they go."""

    kind: str
    source: str
    architecture: str
    gpus: int
    cards: int
    nodes: Sequence[Node]
    cpus: int = 2
    files: Mapping[str, str] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """Lay it out below a folder, which is returned."""
        for number in range(self.cpus):
            _write(
                root / NODES / str(number),
                0,
                {"cpu_cores_count": 96, "simd_count": 0, "gfx_target_version": 0},
            )
        for number, node in enumerate(self.nodes, self.cpus):
            _write(root / NODES / str(number), 40000 + number, _properties(node))
            _file(root / f"dev/dri/renderD{node.render}", "")
        if self.nodes:
            _file(root / "dev/kfd", "")
        for name, text in self.files.items():
            _file(root / name, text)
        return root


def _properties(node: Node) -> dict[str, int]:
    told = {} if node.version is None else {"gfx_target_version": node.version}
    return {
        "cpu_cores_count": 0,
        "simd_count": node.simds,
        "simd_per_cu": 4,
        **told,
        "vendor_id": 4098,
        "device_id": node.device,
        "location_id": node.location,
        "domain": node.domain,
        "drm_render_minor": node.render,
        "unique_id": node.unique,
        "num_xcc": node.xccs,
    }


def _write(node: Path, gpu_id: int, properties: Mapping[str, int]) -> None:
    _file(node / "gpu_id", f"{gpu_id}\n")
    _file(node / "properties", "".join(f"{name} {value}\n" for name, value in properties.items()))


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _cards(count: int, first: int, **common: int) -> list[Node]:
    """Cards that are a bus apart; render nodes are eight apart where the driver keeps room for partitions."""
    step = common.pop("step", 8)
    return [
        Node(
            location=0x500 + 0x1000 * card,
            render=first + step * card,
            unique=0xA0B1C2D3E4F50000 + card,
            **common,
        )
        for card in range(count)
    ]


_MI300X_UNIQUE = (
    16404946649897475633, 2472748907779728154, 15565237874008425757, 12035684874187068538,
)  # fmt: skip
_MI300X_BUSES = (1280, 9984, 18176, 25856)
_MI300A_UNIQUE = (7843934696581995200, 11940228331418201223, 7304659965365223271, 6885922256455814113)

TREES: Mapping[str, Tree] = {
    "MI210": Tree(
        kind="recorded", source=f"{_PLUGIN}/topo-mi210-xgmi-pcie, three of its eight cards",
        architecture="gfx90a", gpus=3, cards=3,
        nodes=[
            Node(version=90010, device=29711, location=location, render=render, unique=unique, simds=416)
            for location, render, unique in (
                (25344, 128, 1801979520617338022), (17152, 129, 5847760019078012339),
                (768, 130, 10645161697164847644),
            )
        ],
    ),
    "MI250": Tree(
        kind="documented", source="two chips a card, each a GPU of its own with 104 CUs; pci.ids 1002:740c",
        architecture="gfx90a", gpus=8, cards=8,
        nodes=_cards(8, 128, step=1, version=90010, device=0x740C, simds=416),
    ),
    "MI300A": Tree(
        kind="recorded", source="a report of one with four of them, by its `cat topology/nodes/*/properties`",
        architecture="gfx942", gpus=4, cards=4, cpus=4,
        nodes=[
            Node(version=90402, device=29856, location=512, domain=card, render=128 + 8 * card, unique=unique,
                 simds=912, xccs=6)
            for card, unique in enumerate(_MI300A_UNIQUE)
        ],
    ),
    "MI300X": Tree(
        kind="documented", source="the cards of the recorded one below in SPX mode: 304 CUs, 8 XCCs",
        architecture="gfx942", gpus=8, cards=8,
        nodes=_cards(8, 128, version=90402, device=0x74A1, simds=1216, xccs=8),
        files={
            "sys/module/amdgpu/version": "6.12.12\n",
            "sys/class/drm/renderD128/device/product_name": "AMD Instinct MI300X OAM\n",
        },
    ),
    "MI300X in CPX mode": Tree(
        kind="recorded", source=f"{_PLUGIN}/topo-mi300-cpx, four of its eight cards",
        architecture="gfx942", gpus=32, cards=4,
        nodes=[
            Node(version=90402, device=29857, location=bus + part, render=128 + 8 * card + part,
                 unique=unique, simds=152)
            for card, (bus, unique) in enumerate(zip(_MI300X_BUSES, _MI300X_UNIQUE, strict=True))
            for part in range(8)
        ],
    ),
    "MI308X in QPX mode": Tree(
        kind="recorded", source=f"{_PLUGIN}/topology-parsing-mi308, one card of each of its two domains",
        architecture="gfx942", gpus=8, cards=2,
        nodes=[
            *(Node(version=90402, device=29858, location=2560 + part, render=128 + part,
                   unique=598046273873802902, simds=80) for part in range(4)),
            *(Node(version=90402, device=29858, location=2816 + part, domain=1, render=160 + part,
                   unique=17466021589395472075, simds=80) for part in range(4)),
        ],
    ),
    "MI325X": Tree(
        kind="documented", source="304 CUs, 8 XCCs, gfx942 in LLVM's list; pci.ids 1002:74a5",
        architecture="gfx942", gpus=8, cards=8,
        nodes=_cards(8, 128, version=90402, device=0x74A5, simds=1216, xccs=8),
    ),
    "MI355X": Tree(
        kind="documented", source="256 CUs, 8 XCCs, gfx950 in LLVM's list; pci.ids 1002:75a3",
        architecture="gfx950", gpus=8, cards=8,
        nodes=_cards(8, 128, version=90500, device=0x75A3, simds=1024, xccs=8),
    ),
    "Radeon RX 7900 XTX": Tree(
        kind="recorded", source="tinygrad's test/mockgpu/amd, gpu_props", cpus=1,
        architecture="gfx1100", gpus=1, cards=1,
        nodes=[
            Node(version=110000, device=29772, location=34304, render=128, unique=11673270660693242239,
                 simds=192)
        ],
    ),
    "Vega 10 under an old kernel": Tree(
        kind="recorded", source=f"{_PLUGIN}/topology-parsing: no gfx_target_version at all", cpus=1,
        architecture="gfx000", gpus=2, cards=2,
        nodes=[
            Node(version=None, device=26720, location=6400 + 256 * card, render=128 + card,
                 unique=14073402507705256556 + card, simds=256)
            for card in range(2)
        ],
    ),
    "a CPU with the driver loaded": Tree(
        kind="documented", source="amdkfd publishes the CPU's node alone",
        architecture="", gpus=0, cards=0, nodes=[],
    ),
}  # fmt: skip
