"""Exercises each part of the device fences on a GPU, one process a step: ok, FAILED or UNSUPPORTED."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

WITHIN = 90
"""Seconds for one step."""
UPSTREAM = """
import torch

@torch.compile(dynamic=True)
def fill(page_table, columns, pages):
    page_table[: columns.shape[0], :].scatter_(1, columns, pages)

class Backend:
    def __init__(self, rows, width):
        self.metadata = {
            "cache_seqlens": torch.zeros(rows, dtype=torch.int32, device="cuda"),
            "page_table": torch.zeros(rows, width, dtype=torch.int32, device="cuda"),
        }
"""
"""Code under test in small: a page table in a dictionary, and compiled code that fills it."""


def step_facts() -> None:
    """Versions of what the steps need."""
    import torch
    import triton

    print("torch", torch.__version__, "triton", triton.__version__, torch.cuda.get_device_name())
    for tool in ("compute-sanitizer", "cuda-gdb", "nvcc", "nvidia-smi"):
        print(tool, shutil.which(tool))
    _show([shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer", "--version"])
    _show(["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv"])


def _show(command: list[str], lines: int = 40, seconds: int = 60) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print("cannot run", command[:2], error)
        return ""
    said = ended.stdout + ended.stderr
    print(f"$ {' '.join(command)[:150]} -> {ended.returncode}")
    print("\n".join(said.splitlines()[-lines:]))
    return said


def _fences(electric: bool = False, **facts: Any) -> tuple[Any, Any]:
    import torch

    from harness.memory.device.driver import CUDA, HIP, DriverMemory
    from harness.memory.device.fences import DeviceFences
    from harness.memory.device.memory import AllocatorSource, GuardedSource
    from harness.memory.violations import Violations

    device = torch.device("cuda", 0)
    torch.zeros(1, device=device)
    strays = Violations()
    vendor = HIP if torch.version.hip else CUDA
    source = GuardedSource(device, DriverMemory(vendor, 0)) if electric else AllocatorSource(device)
    return strays, DeviceFences(strays, source, **facts)


def _like(*shape: int, dtype: Any = None) -> Any:
    import torch

    return torch.empty(*shape, dtype=dtype or torch.int32, device="meta")


def _expect(strays: Any, *signatures: str) -> None:
    seen = sorted(fault.signature for fault in strays.faults())
    print("saw", seen, [fault.seen for fault in strays.faults()])
    assert seen == sorted(signatures), f"wanted {sorted(signatures)}"


def _kernels() -> Any:
    from harness.tests.memory import battery_kernels

    return battery_kernels


def step_canaries() -> None:
    """Red zones find stores past, before and between rows, and forget nothing when memory is freed."""
    import torch

    strays, fences = _fences(rows=["page_table"])
    out, table = fences.allocate(_like(20), "out"), fences.allocate(_like(4, 3), "page_table")
    freed = fences.allocate(_like(3, dtype=torch.int64), "freed")
    fences.check()
    _expect(strays)
    _kernels().fill[(2,)](out, 26, BLOCK=16)
    fences.check("fill")
    _kernels().store_one[(1,)](table, table.stride(0) * 2 + 3, 7)
    _kernels().store_one[(1,)](freed, -2, 7)
    del freed
    fences.check()
    fences.check()
    _expect(
        strays,
        "oob-write into out by fill numel=20 first=20 last=25 count=6",
        "index-range page_table numel=3 first=3 last=3 count=1",
        "oob-write into freed numel=3 first=-2 last=-2 count=1",
    )
    print(fences.notes(), "table", table.stride(), table.cpu().tolist())


def step_graph() -> None:
    """A sweep inside a captured graph finds what a replay does, also to buffers made afterwards."""
    import torch

    strays, fences = _fences()
    out = fences.allocate(_like(20), "out")
    where = torch.zeros(1, dtype=torch.int64, device="cuda")
    _kernels().put_rows[(1,)](out, where, out, 1, BLOCK=1)
    fences.check()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _kernels().put_rows[(1,)](out, where, out, 1, BLOCK=1)
        fences.launch()
    fences.keep_for_graphs()
    later = fences.allocate(_like(8), "later")
    for _ in range(3):
        graph.replay()
    torch.cuda.synchronize()
    fences.poll()
    _expect(strays)
    where.fill_(20)
    graph.replay()
    torch.cuda.synchronize()
    print("flag raised without a launch of ours:", fences._sweeper.raised)
    fences.poll("replay")
    _kernels().store_one[(1,)](later, 9, 7)
    graph.replay()
    torch.cuda.synchronize()
    fences.poll("replay")
    _expect(
        strays,
        "oob-write into out by replay numel=20 first=20 last=20 count=1",
        "oob-write into later by replay numel=8 first=9 last=9 count=1",
    )


def _illegal(act: Callable[[], None]) -> None:
    import torch

    try:
        act()
        torch.cuda.synchronize()
    except RuntimeError as error:
        print("fault:", type(error).__name__, str(error).splitlines()[0])
        assert "illegal memory access" in str(error)
        return
    raise AssertionError("no fault at all")


def _electric() -> tuple[Any, Any, Any]:
    strays, fences = _fences(electric=True)
    out, odd = fences.allocate(_like(20), "out"), fences.allocate(_like(5), "odd")
    print("page", fences._source._virtual.granularity, "out", hex(out.data_ptr()), "odd", hex(odd.data_ptr()))
    print(fences._ledger._entries)
    _kernels().fill[(2,)](out, 20, BLOCK=16)
    fences.check()
    assert out.cpu().tolist() == list(range(20))
    _expect(strays)
    return strays, fences, (out, odd)


def step_electric() -> None:
    """A store one past the end faults; the slack behind an odd size is a red zone."""
    strays, fences, (out, odd) = _electric()
    _kernels().store_one[(1,)](odd, 5, 7)
    _kernels().store_one[(1,)](out, -1, 7)
    fences.check()
    _expect(
        strays,
        "oob-write into odd numel=5 first=5 last=5 count=1",
        "oob-write into out numel=20 first=-1 last=-1 count=1",
    )
    _illegal(lambda: _kernels().store_one[(1,)](out, 20, 7))
    _show(["dmesg"], lines=4)


def step_electric_graph() -> None:
    """An electric fence in a captured graph: clean replays, then a fault in the replay that strays."""
    import torch

    _, fences, (out, _) = _electric()
    where = torch.zeros(1, dtype=torch.int64, device="cuda")
    _kernels().put_rows[(1,)](out, where, out, 1, BLOCK=1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _kernels().put_rows[(1,)](out, where, out, 1, BLOCK=1)
        inside = fences._source.take(64)
        fences.launch()
    print("mapped while capturing", hex(inside.address))
    for _ in range(3):
        graph.replay()
    fences.check()
    where.fill_(20)
    _illegal(graph.replay)


def step_coredump() -> None:
    """What CUDA's own core dump says of the fault: kernel, and maybe the address."""
    with tempfile.TemporaryDirectory() as folder:
        core = Path(folder) / "core"
        variables = {
            "CUDA_ENABLE_COREDUMP_ON_EXCEPTION": "1",
            "CUDA_ENABLE_LIGHTWEIGHT_COREDUMP": "1",
            "CUDA_COREDUMP_FILE": str(core),
            "CUDA_COREDUMP_SHOW_PROGRESS": "1",
        }
        os.environ.update(variables)
        command = [sys.executable, __file__, "--step", "electric"]
        _show(command, lines=12)
        print([(path.name, path.stat().st_size) for path in Path(folder).iterdir()])
        gdb = [
            f"target cudacore {core}",
            "info cuda kernels",
            "info cuda exception",
            "x/2i $errorpc",
            "info registers",
        ]
        orders = [word for order in gdb for word in ("-ex", order)]
        _show([shutil.which("cuda-gdb") or "cuda-gdb", "-batch", "-nx", *orders], lines=60)


def step_indices() -> None:
    """The index checks of torch's operations on CUDA tensors, going on as unchecked hardware would."""
    import torch

    from harness.memory import dispatch
    from harness.tests.memory import battery

    torch.set_default_device("cuda")
    strays, fences = _fences()
    checks = dispatch.TorchChecks((str(battery.ROOT),), strays, [], fences)
    with dispatch.checked(checks):
        outputs = battery.scatter_out_of_the_table(True)
    fences.check()
    print(outputs["table"].tolist())
    _expect(
        strays,
        "index-range table by scatter_ numel=4 first=5 last=5 count=3",
        "oob-write into table by scatter_ numel=12 first=13 last=13 count=1",
    )


def step_install() -> None:
    """In a process that serves: a compiled scatter past its row, without index assertions, is found."""
    _installed(assertions=False)


def step_install_asserting() -> None:
    """The same with the compiler's own index assertions: what torch does there by itself."""
    _installed(assertions=True)


def _upstream(folder: str) -> Any:
    file = Path(folder) / "upstream.py"
    file.write_text(UPSTREAM, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("upstream", file)
    upstream = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(upstream)
    return upstream


def _installed(assertions: bool) -> None:
    import torch

    from harness.memory.device import install

    with tempfile.TemporaryDirectory() as folder:
        named = frozenset({"page_table"})
        installed = install.install(install.Wanted(folder, only=named, rows=named, assertions=assertions))
        upstream = _upstream(folder)
        table = upstream.Backend(8, 2).metadata["page_table"]
        print("stride", table.stride(), "fenced", installed.fences.fenced)
        columns = torch.tensor([[0, 1]] * 4, device="cuda")
        pages = torch.arange(8, dtype=torch.int32, device="cuda").reshape(4, 2)
        upstream.fill(table, columns, pages)
        installed.check()
        _expect(installed.violations)
        try:
            _stray_in_compiled(upstream, installed, table, columns, pages)
        except RuntimeError as error:
            print("torch refuses:", str(error).splitlines()[0])
            assert assertions
            return
        assert not assertions
        print("told", installed.notes(), table.cpu().tolist(), installed.indices.facts())


def _stray_in_compiled(upstream: Any, installed: Any, table: Any, columns: Any, pages: Any) -> None:
    import torch

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        upstream.fill(table, columns, pages)
    for _ in range(2):
        graph.replay()
    installed.check()
    _expect(installed.violations)
    columns[2, 1] = 2
    upstream.fill(table, columns, pages)
    torch.cuda.synchronize()  # raises where an assertion fired: Refault's own checks skip a dead context
    installed.after_forward()
    installed.check()
    _expect(installed.violations, "index-range page_table by scatter_ numel=2 first=2 last=2 count=1")
    columns[3, 0] = 3
    graph.replay()
    torch.cuda.synchronize()
    print("raised by the replay alone:", installed.indices.raised)
    installed.poll()
    _expect(installed.violations, "index-range page_table by scatter_ numel=2 first=2 last=3 count=3")


def step_allocator() -> None:
    """Every allocation of a process behind an electric fence, through torch's pluggable allocator."""
    import torch

    from harness.memory.device.allocator import ElectricAllocator
    from harness.memory.device.driver import CUDA, DriverMemory

    allocator = ElectricAllocator(DriverMemory(CUDA, 0))
    allocator.install()
    weights = torch.randn(64, 64, device="cuda")
    product = weights @ weights
    print("product agrees", torch.allclose(product.cpu(), weights.cpu() @ weights.cpu(), atol=1e-2))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = weights + product
    graph.replay()
    print("graph agrees", torch.allclose(out, weights + product))
    print([(entry.name, entry.nbytes) for entry in allocator.ledger._entries][:6])
    counters = torch.zeros(4, dtype=torch.int32, device="cuda")
    _illegal(lambda: _kernels().store_one[(1,)](counters, 4, 7))


def step_sanitizer() -> None:
    """The raw words of compute-sanitizer on one stray store, by default and padded."""
    from harness.memory.device import sanitizer

    tool = sanitizer.executable()
    if tool is None:
        raise SystemExit(3)
    for padded in (False, True):
        os.environ.update(sanitizer.UNCACHED if padded else {})
        command = sanitizer.wrapped([sys.executable, __file__, "--step", "stray"], tool, padded=padded)
        said = _show(command, lines=60)
        print([str(found) for found in sanitizer.findings(said.splitlines())][:3])


def step_stray() -> None:
    """A store past the end of a tensor and a load far past it, with no fence at all."""
    import torch

    out = torch.zeros(20, dtype=torch.int32, device="cuda")
    _kernels().store_one[(1,)](out, 20, 7)
    torch.cuda.synchronize()
    _kernels().shift[(1,)](out, out, 2, 1 << 40, BLOCK=8)
    torch.cuda.synchronize()


STEPS: Mapping[str, Callable[[], None]] = {
    name.removeprefix("step_"): value for name, value in list(globals().items()) if name.startswith("step_")
}
_INNER = ("stray",)


def main() -> int:
    """0 if every step is ok or UNSUPPORTED."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=sorted(STEPS), help="run one, in this process")
    parser.add_argument("--out", type=Path, help="folder for the outcome of each step, as JSON")
    chosen = parser.parse_args()
    if chosen.step:
        STEPS[chosen.step]()
        return 0
    told = {name: _outcome(name) for name in STEPS if name not in _INNER}
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "selftest.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    print("selftest:", told)
    return 0 if all(word in ("ok", "UNSUPPORTED") for word in told.values()) else 1


def _outcome(name: str) -> str:
    environment = {**os.environ, "REFAULT_BATTERY_DEVICE": "1", "TRITON_ALLOW_NON_CONSTEXPR_GLOBALS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--step", name]
    start = time.perf_counter()
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=WITHIN, check=False
        )
        code, said = ended.returncode, ended.stdout + ended.stderr
    except subprocess.TimeoutExpired as error:
        code, said = -1, f"{error.stdout!r} {error.stderr!r} time-out"
    word = {0: "ok", 3: "UNSUPPORTED"}.get(code, "FAILED")
    print(f"--- {name}: {word} ({time.perf_counter() - start:.1f} s)")
    print(said[-3500:])
    return word


if __name__ == "__main__":
    sys.exit(main())
