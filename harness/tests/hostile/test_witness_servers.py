"""Class A, on servers: what processes write into their reports, or into each other's, is no evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.facts import Tier
from harness.process.pool import Pool
from harness.source.tree import at
from harness.tests.toyland import bench, serving
from harness.tests.toyland.bench import Bench, subject
from harness.verdict import Verdict

STRAY = "oob-write into table by fill_kernel in scheduler"
HEAD = """
import glob, json, os, sys, threading, time
_read = json.load(open(os.environ["REFAULT_SERVED"]))

def reports(name):
    return glob.glob(os.path.join(_read["reports"], "*", name))

def without_end(act):
    def run():
        while True:
            act()
            time.sleep(0.01)
    threading.Thread(target=run, daemon=True).start()
"""
SILENCE = """
def silence():
    for file in reports("faults.jsonl") + reports("events.jsonl"):
        try:
            os.truncate(file, 0)
        except OSError:
            pass
without_end(silence)
"""
ATTEST = """
def attest():
    for file in reports("attestation.json"):
        told = {"tree": _read["tree"], "root": _read["root"], "modules": [], "patches": []}
        told["entered"] = ["everything"]
        try:
            open(file, "w").write(json.dumps(told))
        except OSError:
            pass
without_end(attest)
"""
INVENT = """
os.makedirs(os.path.join(_read["reports"], "scheduler.1"), exist_ok=True)
"""
BORROW = """
import gc
from harness.tiers.server.inside import Report
Report.stray = lambda self, line: None
Report.event = lambda self, line: None
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Bench:
    return bench.lay_out_server(tmp_path_factory.mktemp("served"), cache, kernel_pool)


def hostile(served: Bench, folder: Path, early: str) -> Bench:
    """The toy whose attested module does this first, in each process of the server."""
    root = serving.write(folder / "toy")
    pages = root / "sglang" / "pages.py"
    pages.write_text(pages.read_text().replace("import ctypes\n", f"import ctypes\n{HEAD}{early}\n", 1))
    return Bench(folder, served.cache, served.pool, at(root))


def test_files_of_reports_change_nothing(served: Bench, tmp_path: Path) -> None:
    """Faults are deleted there, and attestations written."""
    place = hostile(served, tmp_path, SILENCE + ATTEST)
    judged = place.judge(subject("pr201_stray_store"), tier=Tier.SERVER).result
    assert judged.verdict is Verdict.UNRECORDED, judged.reason
    assert judged.reverted and any(one.startswith(STRAY) for one in judged.reverted.main.signatures)
    assert judged.fixed and judged.fixed.main.faults == () and judged.fixed.attestation
    assert "everything" not in judged.fixed.attestation.entered


@pytest.mark.parametrize(
    ("early", "told"),
    [(INVENT, "scheduler.1 reported in a file, and was not heard"), (BORROW, "inside.Report.")],
    ids=["a process is invented", "the report is another"],
)
def test_what_no_process_told_is_forged(early: str, told: str, served: Bench, tmp_path: Path) -> None:
    one = hostile(served, tmp_path, early)
    judged = one.judge(subject("pr201_stray_store"), asked=("fixed",), tier=Tier.SERVER).result
    assert judged.verdict is Verdict.UNRESOLVED and "forged or broken: " in judged.reason
    assert told in judged.reason
