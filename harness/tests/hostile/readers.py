"""Every reader of foreign bytes, with real inputs of each."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import catalogue, documents, history
from harness.draft import patch
from harness.facts import CPU, CaseKey, Revert, Tier
from harness.gate import policy
from harness.golden import GoldenStore
from harness.matrix import last_measured
from harness.process.preload_cache import PreloadCache
from harness.report import json as json_report
from harness.report import releases
from harness.serving import evidence, logs
from harness.serving.triage import matches
from harness.source import revert, wheels
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree, at
from harness.sweep.outcomes import Book
from harness.tests import samples
from harness.tests.hostile.fuzzing import Reader
from harness.tests.source import toy_wheel
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug
from harness.verdict import Judgement, Verdict

_STORE = bug("pr101_stray_store")
_ABOUT = {"refault": "1", "tree": "c" * 64, "seed": 0}
_POLICY = """\
block = ["REGRESSED", "TOOTHLESS"]
[rates]
fixed_faults = 0.1
[[require]]
platform = "cpu"
tiers = ["kernel"]
reproducers = ["101"]
repeats = 2
"""
_QUARANTINE = """
[[quarantine]]
reproducer = "101"
owner = "someone"
reason = "flaky"
expires = 2030-01-02
tier = "kernel"
"""
_PATCH = """\
diff --git a/python/sglang/pages.py b/python/sglang/pages.py
--- a/python/sglang/pages.py
+++ b/python/sglang/pages.py
@@ -15,3 +15,3 @@
 def build_table(tokens, page_size):
-    numel = pages
+    numel = pages * page_size
     return table
"""
_LOG = """\
[2026-01-02 03:04:05 TP0] server_args=ServerArgs(model_path='tiny', page_size=16, attention_backend='triton')
[2026-01-02 03:04:09 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/sglang/srt/managers/scheduler.py", line 10, in run
    self.build_table()
RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call
{"log":"E0102 03:04:05.000 12 TensorImpl.cpp:1] terminate called after throwing\\n","stream":"stderr"}
  what():  out of memory
Decode:  50%|#####     | 5/10 [00:01<00:01,  4.9it/s][rank0]: killed by SIGSEGV
Fatal Python error: Segmentation fault
"""
_EVENTS = "".join(
    json.dumps({"at": float(at), "event": "record", "level": "ERROR", "text": line, "ends": False}) + "\n"
    for at, line in enumerate(_LOG.splitlines())
)


def _results() -> Iterator[bytes]:
    rows = [
        samples.result(Judgement(verdict, "told"), issue=3) for verdict in (Verdict.PASS, Verdict.REGRESSED)
    ]
    rates = {"fixed": {"faults": 0, "runs": 3, "low": 0.0, "high": 0.5}}
    tree = {"version": "9.9.9", "origin": "path", "tree": "c" * 64, "root": "/trees", "branch": "main"}
    told = json_report.document(
        [*rows, replace(rows[0], rates=rates)], {"platform": "cpu", "features": [], "hardware": "x"}, tree
    )
    yield json.dumps(told).encode()
    yield json.dumps(documents.sealed({**told, "results": told["results"][:1]})).encode()


def _matrix() -> bytes:
    cell = {
        "reproducer": "pr1_pages",
        "release": "0.5.9",
        "status": "affected",
        "revert": "n/a",
        "reason": "told",
    }
    likeness = {
        "reproducer": "pr1_pages", "release": "0.5.10", "affected": "0.5.9", "same": False,
        "only_named": False, "missing": ["a"], "added": ["b"],
    }  # fmt: skip
    told = {"refault": "1", "machine": {"platform": "cpu"}, "matrix": [cell], "likeness": [likeness]}
    return json.dumps({**told, "disagreements": ["told"]}).encode()


def _measured() -> bytes:
    found = {
        "0.5.9": {"status": "affected", "on": "2026-01-02"},
        "0.5.10": {"status": "fixed", "on": "2026-01-02"},
    }
    entry = {"source": catalogue.source_digest(_STORE), "releases": found}
    return json.dumps({_STORE.id: entry, "pr9_other": entry}).encode()


def _book() -> bytes:
    fault = samples.STRAY.to_json()
    arms = {"fixed": {"faults": [], "findings": [fault]}, "reverted": {"faults": [fault], "findings": []}}
    lines = [_ABOUT, *({"params": {"page_size": size}, "arms": arms} for size in (1, 16))]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _store(folder: Path, document: bytes) -> bytes:
    (folder / "seed.json").write_bytes(document)
    with history.opened(folder / "seed.sqlite") as kept:
        kept.append(documents.load(folder / "seed.json"))
    return (folder / "seed.sqlite").read_bytes()


# --- one function a reader ----------------------------------------------------------------------------------


def _of_golden(path: Path) -> object:
    store = GoldenStore(path.parent / "golden")
    place = store.path(CaseKey("pr1_pages", Tier.KERNEL, CPU))
    _link(place, path)
    return store.load(CaseKey("pr1_pages", Tier.KERNEL, CPU))


def _of_history(path: Path) -> object:
    with history.opened(path) as kept:
        return kept.series()


def _of_log(path: Path) -> object:
    from harness.commands import triage

    text = triage.text_of(str(path))
    return matches(logs.read(text), text, [_STORE])


def _of_evidence(path: Path) -> object:
    reports = path.parent / "reports"
    _link(reports / "scheduler TP0.12" / evidence.EVENTS, path)
    _link(reports / "scheduler TP0.12" / evidence.NATIVE, path)
    return evidence.read(reports)


def _of_matrix(path: Path) -> object:
    _, found = releases.split([path], {})
    return [list(releases.lines(one)) for one in found]


def _of_wheel(path: Path) -> object:
    named = path.parent / "toy-1.2.3-py3-none-any.whl"
    named.unlink(missing_ok=True)
    named.symlink_to(path)
    with _fresh(path.parent / "unpacked") as to:
        return wheels.unpack(named, wheels.read(named), to, "toy")


def _of_tree(path: Path) -> object:
    """The file as a module of a tree: its functions, the tree's hash, and a revert that is planned in it."""
    assert isinstance(_STORE.revert, Revert)
    with _in_tree(path, "pages.py") as tree:
        functions_by_module(tree, ("build_table",))
        return tree.content_hash, revert.plan(tree, _STORE.revert)


def _of_version(path: Path) -> object:
    with _in_tree(path, "version.py") as tree:
        return tree.content_hash, tree.version


@contextmanager
def _in_tree(path: Path, name: str) -> Iterator[Tree]:
    with _fresh(path.parent / "tree") as root:
        upstream.write(root)
        (root / "sglang" / name).unlink()
        _link(root / "sglang" / name, path)
        yield at(root)


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder


def every(folder: Path) -> tuple[Reader, ...]:
    """All of them; what their seeds need is made in `folder`."""
    results = tuple(_results())
    golden = samples.golden(replace(samples.case(golden=None))).text.encode()
    wheel = toy_wheel.write(Path(tempfile.mkdtemp(dir=folder)), "1.2.3").read_bytes()
    preloaded = json.dumps({"key": "k", "modules": ["json", "re"]}).encode()
    book = Book
    return (
        Reader("documents", documents.load, results, is_json=True),
        Reader("goldens", _of_golden, (golden,), is_json=True),
        Reader("policy", policy.load, (_POLICY.encode(), policy.DEFAULT.read_bytes())),
        Reader("quarantine", policy.load, ((_POLICY + _QUARANTINE).encode(),)),
        Reader("history", _of_history, (_store(folder, results[0]),)),
        Reader("triage", _of_log, (_LOG.encode(), _LOG.encode("utf-16"))),
        Reader("events", _of_evidence, (_EVENTS.encode(),)),
        Reader("patch", lambda path: patch.read(path, "sglang"), (_PATCH.encode(),)),
        Reader("measured", lambda path: last_measured.of(path, _STORE), (_measured(),), is_json=True),
        Reader("releases", _of_matrix, (_matrix(),), is_json=True),
        Reader("outcomes", lambda path: book(path, _ABOUT).outcomes(), (_book(),)),
        Reader("preload", lambda path: PreloadCache(path, "k").load(), (preloaded,), is_json=True),
        Reader("wheel", _of_wheel, (wheel,)),
        Reader("tree", _of_tree, (upstream.PAGES.encode(),)),
        Reader("version", _of_version, (b'__version__ = "1.2.3"\n',)),
    )


def named(readers: tuple[Reader, ...], names: Any) -> tuple[Reader, ...]:
    """Those of these names; all of them where none is named."""
    return tuple(one for one in readers if not names or one.name in names)
