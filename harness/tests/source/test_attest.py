"""What an arm's process loaded and entered, proven from inside."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Unresolved
from harness.source.attest import Attestor
from harness.source.tree import Tree
from harness.tests.source import toy

WATCHED = {
    "toy.ops.kernels": [
        "pages", "store", "width", "twice.outer", "Pool.__init__", "Pool.take", "Pool.align", "Pool.of",
        "Pool.of.inner", "Pool.drain", "Batch.total",
    ]
}  # fmt: skip
START = """
import sys, json
from pathlib import Path
from harness.source.attest import Attestor
attestor = Attestor(Path(sys.argv[1]), "toy", json.loads(sys.argv[2]), "tree-hash")
"""
CALLS = [
    ("k.pages(9)", ["pages"]),
    ("k.width(1)", ["twice.outer", "width"]),
    ("k.Pool(3)", ["Pool.__init__"]),
    ("k.Pool(3).take(1)", ["Pool.__init__", "Pool.take"]),
    ("k.Pool.align(3)", ["Pool.align"]),
    ("k.Pool.of(3)", ["Pool.__init__", "Pool.of", "Pool.of.inner"]),
    ("asyncio.run(k.Pool(3).drain())", ["Pool.__init__", "Pool.drain"]),
    ("k.Pool(3).drain().close()", ["Pool.__init__"]),
    ("k.Batch((1, 2)).total()", ["Batch.total"]),
    ("k.store([], 1)", []),
    ("k.check(0, '')", []),
]


def child(tree: Tree, code: str, watched: object = WATCHED, *, path: Path | None = None) -> Any:
    """What `code` printed as JSON in a process of its own, with an attestor made but not installed."""
    command = [sys.executable, "-B", "-c", START + code, str(tree.root), json.dumps(watched)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path or tree.root), os.getcwd()])}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_each_call_enters_what_it_calls(tree: Tree) -> None:
    code = "attestor.install(); import asyncio, toy.ops.kernels as k; seen = []\n"
    for call, _ in CALLS:
        code += f"attestor._entered.clear(); {call}; seen.append(attestor.report().entered)\n"
    assert child(tree, code + "print(json.dumps(seen))") == [names for _, names in CALLS]


def test_report_holds_the_bytes_the_path_and_what_else_is_told(tree: Tree) -> None:
    code = (
        "attestor.install(); import toy.plain, toy.ops.kernels\nattestor.entered('store')\n"
        "print(json.dumps(attestor.report(['fences']).to_json()))"
    )
    sha256 = hashlib.sha256((tree.folder / "ops" / "kernels.py").read_bytes()).hexdigest()
    assert child(tree, code) == {
        "tree": "tree-hash", "root": str(tree.root), "entered": ["store"], "patches": ["fences"],
        "modules": [{"name": "toy.ops.kernels", "path": "toy/ops/kernels.py", "sha256": sha256}],
    }  # fmt: skip


def test_marked_code_reads_and_fails_on_its_own_lines(tree: Tree) -> None:
    code = """
attestor.install()
import toy.ops.kernels as k, inspect, traceback
try:
    k.pages(-99999, -1)
except AssertionError as error:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)[1:]]
print(json.dumps([lines, inspect.getsource(k.pages), k.pages.__doc__, k.__doc__, k.__file__,
                  k.Batch.__dataclass_fields__["lens"].type, k.__loader__.get_source("toy.ops.kernels")]))
"""
    lines, source, doc, module_doc, file, annotation, text = child(tree, code)
    listing = toy.KERNELS.splitlines()
    assert [listing[line - 1].strip()[:6] for line in lines] == ["check(", "assert"]
    assert source in toy.KERNELS and source.startswith("def pages(") and source.endswith("return count\n")
    assert (doc, module_doc, text) == ("How many pages.", "Fake kernels.", toy.KERNELS)
    assert file == str(tree.root / "toy/ops/kernels.py")
    assert annotation == "tuple"  # a string, since the module's future import is kept


def test_a_module_without_future_imports_gets_none(tree: Tree) -> None:
    (tree.folder / "plain.py").write_text("def f(n: int): return n\n")
    code = "attestor.install(); import toy.plain as p; print(json.dumps(p.f.__annotations__['n'] is int))"
    assert child(tree, code, {"toy.plain": ["f"]}) is True


def test_a_change_is_told_at_once_and_only_once(tree: Tree) -> None:
    code = (
        "told = []; attestor._on_change = lambda: told.append(sorted(attestor.report().entered))\n"
        "attestor.install(); import toy.ops.kernels as k; k.pages(1); k.pages(2); k.Pool(1)\n"
        "print(json.dumps(told))"
    )
    assert child(tree, code) == [[], ["pages"], ["Pool.__init__", "pages"]]


def test_old_bytecode_is_not_believed(tree: Tree) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
                    str(tree.folder)], check=True)  # fmt: skip
    changed = toy.KERNELS.replace("// page_size  # the fix", "// page_size * 100")
    (tree.folder / "ops" / "kernels.py").write_text(changed)
    code = (
        "attestor.install(); import toy.ops.kernels as k\n"
        "print(json.dumps([k.pages(8), attestor.report().to_json()]))"
    )
    count, report = child(tree, code)
    assert count == 100
    assert report["modules"][0]["sha256"] == hashlib.sha256(changed.encode()).hexdigest()


def test_a_module_imported_before_is_refused(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toy.ops.kernels", sys)
    with pytest.raises(Unresolved, match=r"toy\.ops\.kernels was imported before"):
        Attestor(tree.root, "toy", WATCHED, "").install()


def test_a_module_of_another_tree_is_refused_even_if_upstream_hides_it(tree: Tree, tmp_path: Path) -> None:
    other = toy.write(tmp_path / "other")
    code = """
attestor.install()
from harness.errors import Unresolved
told = []
try:
    import toy.ops.kernels
except Exception as error:
    told.append(str(error))
try:
    attestor.report()
except Unresolved as error:
    told.append(str(error))
print(json.dumps(told))
"""
    imported, reported = child(tree, code, path=other)
    assert imported == reported and "was found outside the tree" in imported and str(other) in imported


def test_a_tree_reached_through_a_link_is_itself(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree.root)
    code = (
        "attestor.install(); import toy.ops.kernels\n"
        "print(json.dumps(attestor.report().to_json()['modules']))"
    )
    (module,) = child(Tree(tmp_path / "link", "toy"), code, path=tree.root)
    assert module["path"] == "toy/ops/kernels.py"


def test_a_module_that_does_not_exist_stays_missing(tree: Tree) -> None:
    code = (
        "attestor.install()\ntry:\n    import toy.gone\nexcept ModuleNotFoundError as error:\n"
        "    print(json.dumps([str(error), attestor.report().to_json()['modules']]))"
    )
    assert child(tree, code, {"toy.gone": ["f"]}) == ["No module named 'toy.gone'", []]


def test_only_modules_of_the_package_can_be_watched(tree: Tree) -> None:
    with pytest.raises(Unresolved, match="json cannot be attested: not in toy"):
        Attestor(tree.root, "toy", {"json": ["loads"]}, "")


def test_the_code_of_a_class_and_of_a_module_is_entered_as_it_is_imported(tmp_path: Path) -> None:
    root = toy.write(tmp_path)
    watched = json.dumps({"toy.ops.kernels": ["class Pool", "<module>"]})
    found = "print(json.dumps(attestor.report().entered))"
    code = f"{START}attestor.install()\nsys.path.insert(0, sys.argv[1])\nimport toy.ops.kernels\n{found}"
    words = [sys.executable, "-c", code, str(root), watched]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["<module>", "class Pool"]


PARTS = """
def parting():
    seen.append(["parted", "wave" in sys.modules, "toy.ops.kernels" in sys.modules])
    functions = {"toy.ops.kernels": ["pages"], "toy.late": ["late"]}
    attestor.become(Path(sys.argv[3]), functions, "own", lambda: None)

seen = []
attestor.part(parting, [Path(sys.argv[3])])
attestor.install()
import toy.ops.kernels as k, toy.late, toy.plain, inspect
seen.append([k.pages(9), toy.late.late()])
seen.append([k.__file__, toy.late.__file__, toy.plain.__file__, k.__spec__.origin])
report = attestor.report()
seen.append([report.tree, report.root, report.entered, [[m.name, m.path] for m in report.modules]])
seen.append(inspect.getsource(k).startswith("import wave"))
print(json.dumps(seen))
"""


def test_arms_part_behind_the_imports_that_both_forms_begin_with(tree: Tree, tmp_path: Path) -> None:
    other = tmp_path / "other"
    watched: dict[str, list[str]] = {"toy.ops.kernels": [], "toy.late": []}
    for root, value in ((tree.root, 1), (other, 2)):
        (root / "toy/ops").mkdir(parents=True, exist_ok=True)
        (root / "toy/late.py").write_text(f"def late():\n    return {value}\n")
        (root / "toy/ops/kernels.py").write_text(f"import wave\n\ndef pages(n):\n    return n + {value}\n")
    start = START + PARTS
    command = [sys.executable, "-B", "-c", start, str(tree.root), json.dumps(watched), str(other)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree.root), os.getcwd()])}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    parted, values, files, report, is_own = json.loads(run.stdout)
    assert parted == ["parted", True, True]
    kernels, late = str(other / "toy/ops/kernels.py"), str(other / "toy/late.py")
    assert values == [11, 2] and files == [kernels, late, str(tree.folder / "plain.py"), kernels]
    modules = [["toy.late", "toy/late.py"], ["toy.ops.kernels", "toy/ops/kernels.py"]]
    assert report == ["own", str(other), ["late", "pages"], modules]
    assert is_own


def test_arms_part_once_and_at_the_latest_when_asked(tmp_path: Path) -> None:
    attestor, parted = Attestor(tmp_path, "toy", {"toy.absent": []}, "hash"), []
    attestor.part(lambda: parted.append(1), [])
    for _ in range(2):
        attestor.apart()
    assert parted == [1]
