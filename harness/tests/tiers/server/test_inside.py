"""A toy server of several processes, with the boot folder alone on its path: who reports what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.facts import Host
from harness.host import environment
from harness.serving.reports import Receiver, Told
from harness.tiers.server import processes
from harness.tiers.server.processes import ProcessReport, Served

PAGES = "def fill(rows, index):\n    return rows[index]\n"
SCHEDULER = """
import setproctitle, torch
from types import SimpleNamespace as Named
from wares.srt import pages

class Scheduler:
    def run_batch(self, batch):
        return pages.fill(torch.arange(4), torch.tensor(batch.index))

def run_scheduler_process(crash):
    setproctitle.setproctitle("wares::scheduler_TP0")
    batch = Named(reqs=[Named(rid="r-7")], forward_mode=Named(name="EXTEND"), index=[1, 9])
    Scheduler().run_batch(batch)
    if crash:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""
DETOKENIZER = """
import setproctitle

def run_detokenizer_process():
    setproctitle.setproctitle("wares::detokenizer")
"""
LAUNCH = """
import multiprocessing, sys
from wares.srt.managers import detokenizer, scheduler

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn", force=True)
    crash = "crash" in sys.argv
    children = [
        multiprocessing.Process(target=scheduler.run_scheduler_process, args=(crash,)),
        multiprocessing.Process(target=detokenizer.run_detokenizer_process),
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print([child.exitcode for child in children])
"""
FUNCTIONS = {"wares.srt.pages": ("fill",)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "tree")


def write(root: Path) -> Path:
    sources = {
        "__init__": "",
        "launch_server": LAUNCH,
        "srt/__init__": "",
        "srt/pages": PAGES,
        "srt/managers/__init__": "",
        "srt/managers/scheduler": SCHEDULER,
        "srt/managers/detokenizer": DETOKENIZER,
    }
    for name, source in sources.items():
        file = root / "wares" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return root


@dataclass(frozen=True)
class Ran:
    """What the toy printed, and what its processes were heard to say."""

    reply: str
    told: tuple[Told, ...]


def serve(tree: Path, folder: Path, *words: str, host: Host = Host.CPU) -> Ran:
    """Run the toy to its end, found elsewhere than in the tree."""
    elsewhere = write(folder / "elsewhere")
    reports = folder / "reports"
    reports.mkdir()
    names = {"package": "wares", "tree": "hash", "functions": FUNCTIONS, "host": host}
    with Receiver() as receiver:
        told = Served(root=tree, reports=reports, receiver=receiver.name, **names)  # type: ignore[arg-type]
        own = told.environment(folder)
        own["PYTHONPATH"] += os.pathsep + str(elsewhere)
        done = subprocess.run(
            [sys.executable, "-m", "wares.launch_server", *words],
            env=environment.merged(environment.CPU_KERNELS, own),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        processes.hold_to_be_heard(receiver.told(), reports)
        return Ran(done.stdout, receiver.told())


def by_role(ran: Ran) -> dict[str, ProcessReport]:
    found = processes.collect(ran.told)
    assert len({report.role for report in found}) == len(found)
    return {report.role: report for report in found}


def test_every_process_reports_its_role_what_it_loaded_and_what_it_entered(
    tree: Path, tmp_path: Path
) -> None:
    ran = serve(tree, tmp_path)
    found = by_role(ran)
    assert ran.reply == "[0, 0]\n"
    assert set(found) == {"server", "scheduler TP0", "detokenizer"}
    scheduler = found["scheduler TP0"].attestation
    assert scheduler.entered == ("fill",) and scheduler.root == str(tree)
    assert [(one.name, one.path) for one in scheduler.modules] == [("wares.srt.pages", "wares/srt/pages.py")]
    assert found["server"].attestation.entered == found["detokenizer"].attestation.entered == ()


def test_a_stray_comes_back_with_process_request_and_line(tree: Path, tmp_path: Path) -> None:
    found = by_role(serve(tree, tmp_path))
    kinds = {violation.fault.kind: violation for violation in found["scheduler TP0"].violations}
    assert set(kinds) == {"index-range", "oob-read"}
    violation = kinds["index-range"]
    assert (violation.fault.buffer, violation.fault.process, violation.fault.first) == (
        "rows",
        "scheduler TP0",
        9,
    )
    assert (violation.requests, violation.mode) == (("r-7",), "EXTEND")
    assert violation.place and violation.place.startswith("fill:2")
    assert found["server"].violations == found["detokenizer"].violations == ()


def test_a_killed_process_loses_nothing(tree: Path, tmp_path: Path) -> None:
    ran = serve(tree, tmp_path, "crash")
    scheduler = by_role(ran)["scheduler TP0"]
    assert ran.reply == f"[{-signal.SIGKILL}, 0]\n"
    assert scheduler.violations and scheduler.attestation.entered == ("fill",)


def test_every_change_of_a_process_is_in_its_attestation(tree: Path, tmp_path: Path) -> None:
    patches = "\n".join(by_role(serve(tree, tmp_path))["scheduler TP0"].attestation.patches)
    for changed in (
        "setproctitle.setproctitle",
        "multiprocessing.set_start_method",
        "torch.cuda.synchronize",
        "wares.srt.managers.scheduler.Scheduler.run_batch",
        "GridExecutor.__call__",
    ):
        assert changed in patches


def test_elsewhere_than_on_a_cpu_processes_attest_and_nothing_is_answered_for(
    tree: Path, tmp_path: Path
) -> None:
    """Spawned there, as upstream asks; torch itself refuses the stray index."""
    ran = serve(tree, tmp_path, host=Host.CUDA)
    reply, found = ran.reply, by_role(ran)
    scheduler = found["scheduler TP0"]
    assert reply == "[1, 0]\n" and scheduler.violations == ()
    assert scheduler.attestation.entered == ("fill",) and set(found) == {
        "server",
        "scheduler TP0",
        "detokenizer",
    }
    assert not [patch for patch in scheduler.attestation.patches if "torch.cuda" in patch or "fork" in patch]


def test_a_process_that_found_the_module_elsewhere_is_unresolved(tree: Path, tmp_path: Path) -> None:
    (tree / "wares/srt/pages.py").unlink()
    other = write(tmp_path / "other") / "wares/srt"
    (tree / "wares/srt/__init__.py").write_text(f"__path__.append({str(other)!r})")
    reports = tmp_path / "reports"
    reports.mkdir()
    with Receiver() as receiver:
        names = {"package": "wares", "tree": "hash", "functions": FUNCTIONS}
        told = Served(root=tree, reports=reports, receiver=receiver.name, **names)  # type: ignore[arg-type]
        variables = environment.merged(environment.CPU_KERNELS, told.environment(tmp_path))
        command = [sys.executable, "-m", "wares.launch_server"]
        done = subprocess.run(
            command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode != 0 and "was found outside the tree" in done.stderr
        with pytest.raises(Unresolved, match="found outside the tree"):
            processes.collect(receiver.told())
