"""What a tree brings along beside its sources: none of it runs, or the tree is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.process.protection import Protection, refused
from harness.source.bytecode import Bytecode, Making, Shelf
from harness.source.listing import scan
from harness.source.releases import Releases
from harness.source.tree import at
from harness.suite import Request, Suite, bytecodes
from harness.tests.hostile import forged_wheels
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Result, Verdict

STRAY = bug("pr101_stray_store")
ASKS = upstream.altered("import ctypes\n", "import ctypes\nfrom sglang import spare\n").replace(
    "(table, tokens, BLOCK=64)", "(table, spare.more(tokens), BLOCK=64)"
)
"""The toy, in which a module that no revert edits says how many entries are filled."""
HONEST = "def more(number):\n    return number\n"
FAULTY = "def more(number):\n    return number + 9\n"
PROBES = f"try:\n    import aiter_or_so\nexcept ImportError:\n    pass\n{HONEST}"
ENDS = "raise SystemExit(7)\n"

Plant = Callable[[Path], None]


@dataclass(frozen=True)
class Tampered:
    """What lies in the tree, and what has to come of the fixed arm, whose source is `source`."""

    plant: Plant
    verdict: Verdict = Verdict.UNRECORDED
    says: str = ""
    source: str = HONEST


def compiled(text: str, *, flags: int = 0b01, stamp: bytes = bytes(8)) -> bytes:
    code = compile(text, "spare.py", "exec")
    return importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + stamp + marshal.dumps(code)


def cached(package: Path, name: str = "spare") -> Path:
    path = package / "__pycache__" / f"{name}.{sys.implementation.cache_tag}.pyc"
    path.parent.mkdir(exist_ok=True)
    return path


def unchecked(text: str) -> Plant:
    return lambda root: _write(cached(root / "sglang"), compiled(text))


def checked(text: str) -> Plant:
    """Bytecode that claims to be of the source that is there."""
    stamp = importlib.util.source_hash(HONEST.encode())
    return lambda root: _write(cached(root / "sglang"), compiled(text, flags=0b11, stamp=stamp))


def timed(root: Path) -> None:
    about = (root / "sglang" / "spare.py").stat()
    stamp = int(about.st_mtime).to_bytes(4, "little") + about.st_size.to_bytes(4, "little")
    _write(cached(root / "sglang"), compiled(FAULTY, flags=0, stamp=stamp))


def of_a_package(root: Path) -> None:
    _write(cached(root / "sglang", "__init__"), compiled(ENDS))


def linked(root: Path) -> None:
    unchecked(FAULTY)(root)
    (root / "sglang" / "__pycache__").rename(root / "elsewhere")
    (root / "sglang" / "__pycache__").symlink_to(root / "elsewhere")


def beside(name: str) -> Plant:
    return lambda root: _write(root / name, ENDS.encode())


def package_beside(root: Path) -> None:
    (root / "sglang" / "spare").mkdir()
    _write(root / "sglang" / "spare" / "__init__.py", FAULTY.encode())


def imports_from_the_cache(root: Path) -> None:
    _write(root / "sglang" / "spare.py", b"from sglang.__pycache__.evil import more\n")
    cached(root / "sglang")
    _write(root / "sglang" / "__pycache__" / "evil.py", HONEST.encode())


def bytecode_from_the_cache(root: Path) -> None:
    _write(root / "sglang" / "spare.py", b"from sglang.__pycache__.evil import more\n")
    cached(root / "sglang")
    _write(root / "sglang" / "__pycache__" / "evil.pyc", compiled(HONEST))


def library_alone(root: Path) -> None:
    (root / "sglang" / "spare.py").unlink()
    _write(root / "sglang" / "spare.abi3.so", b"\x7fELF and no more")


def egg(root: Path) -> None:
    _write(root / "sglang" / "__pycache__" / "spare.egg", b"PK")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


TAMPERED = {
    "nothing": Tampered(lambda root: None),
    "faulty source": Tampered(lambda root: None, Verdict.REGRESSED, "oob-write", FAULTY),
    "unchecked bytecode": Tampered(unchecked(FAULTY)),
    "unchecked bytecode that hides a fault": Tampered(
        unchecked(HONEST), Verdict.REGRESSED, "oob-write", FAULTY
    ),
    "checked bytecode of another source": Tampered(checked(FAULTY)),
    "bytecode with the source's time and size": Tampered(timed),
    "bytecode of the package itself": Tampered(of_a_package),
    "bytecode behind a link": Tampered(linked),
    "a name of the standard library's beside the package": Tampered(
        beside("sched.py"), source=f"import sched\n{HONEST}"
    ),
    "a missing library beside the package": Tampered(beside("aiter_or_so.py"), source=PROBES),
    "sitecustomize beside the package": Tampered(beside("sitecustomize.py")),
    "a .pth beside the package": Tampered(beside("evil.pth")),
    "a package over a module": Tampered(package_beside, Verdict.REGRESSED, "oob-write"),
    "a source among the bytecode": Tampered(imports_from_the_cache, Verdict.UNRESOLVED, "sglang.__pycache__"),
    "bytecode by another name": Tampered(bytecode_from_the_cache, Verdict.UNRESOLVED, "sglang.__pycache__"),
    "a compiled module alone": Tampered(library_alone, Verdict.UNRESOLVED, "spare.abi3.so"),
    "an egg among the bytecode": Tampered(egg),
}


def judged(bench: Bench, tampered: Tampered) -> Result:
    root = upstream.write(bench.folder / "tampered", ASKS)
    (root / "sglang" / "spare.py").write_text(tampered.source)
    tampered.plant(root)
    return replace(bench, tree=at(root)).judge(STRAY).result


@pytest.mark.parametrize("name", TAMPERED)
def test_what_runs_is_what_was_hashed(fresh: Bench, name: str) -> None:
    tampered = TAMPERED[name]
    result = judged(fresh, tampered)
    assert result.verdict is tampered.verdict, result.reason
    assert tampered.says in result.reason


def bare_bytecode(root: Path) -> None:
    (root / "sglang" / "spare.py").unlink()
    _write(root / "sglang" / "spare.pyc", compiled(HONEST))


def bytecode_beside_source(root: Path) -> None:
    _write(root / "sglang" / "spare.pyc", compiled(HONEST))


def library_over_source(root: Path) -> None:
    _write(root / "sglang" / "spare.cpython-311-x86_64-linux-gnu.so", b"\x7fELF")


def stable_library_over_source(root: Path) -> None:
    _write(root / "sglang" / "spare.abi3.so", b"\x7fELF")


REFUSED: dict[str, tuple[Plant, str]] = {
    "bytecode in place of a source": (bare_bytecode, "spare.pyc: is bytecode in place of a source"),
    "bytecode beside its source": (bytecode_beside_source, "spare.pyc: is bytecode in place of a source"),
    "a library over a source": (library_over_source, "hides spare.py, so that what runs has no source"),
    "a stable library over one": (stable_library_over_source, "hides spare.py, so that what runs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_run_unseen_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    plant, says = REFUSED[name]
    plant(upstream.write(tmp_path))
    with pytest.raises(BadInput) as caught:
        at(tmp_path).content_hash  # noqa: B018
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert "remove it, or give another tree" in str(caught.value)


def test_what_lies_among_bytecode_and_is_none_is_part_of_the_hash(tmp_path: Path) -> None:
    root = upstream.write(tmp_path)
    whole = at(root).content_hash
    _write(cached(root / "sglang"), compiled(HONEST))
    _write(cached(root / "sglang").with_suffix(".pyc.140234"), b"half")
    assert at(root).content_hash == whole
    egg(root)
    assert at(root).content_hash != whole


# --- changes while arms run -----------------------------------------------------------------


def rewritten(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def restored(path: Path) -> None:
    """Changed and put back, times and all."""
    about, text = path.stat(), path.read_text(encoding="utf-8")
    path.write_text(FAULTY, encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_text(path.read_text(encoding="utf-8"))
    other.rename(path)


def removed(path: Path) -> None:
    path.unlink()


def joined(path: Path) -> None:
    path.with_name("late.py").write_text("")


def joined_by_bytecode(path: Path) -> None:
    path.with_name("late.pyc").write_bytes(b"")


CHANGES = [rewritten, restored, replaced, removed, joined, joined_by_bytecode]


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_that_changes_under_its_arms_is_unresolved(
    fresh: Bench, change: Callable[[Path], None]
) -> None:
    begun: list[str] = []

    def started(arm: str) -> None:
        if not begun:
            change(fresh.tree.folder / "spare.py")
        begun.append(arm)

    with Suite(fresh.setting, started=started, pool=fresh.pool) as suite:
        (one,) = suite.run([Request(reproducer=STRAY, tier=Tier.KERNEL)])
    assert one.result.verdict is Verdict.UNRESOLVED, one.result.reason
    assert "while the tree was in use" in one.result.reason or "in use: " in one.result.reason


# --- what lies in the cache -----------------------------------------------------------------


def test_bytecode_in_an_unpacked_release_is_not_read(fresh: Bench, tmp_path: Path) -> None:
    files = {f"sglang/{path.name}": path.read_bytes() for path in fresh.tree.folder.glob("*.py")}
    files |= {"sglang/pages.py": ASKS.encode(), "sglang/spare.py": HONEST.encode()}
    released = Releases(tmp_path / "releases").unpacked(forged_wheels.Wheel(files=files)(tmp_path))
    _write(cached(released.folder), compiled(FAULTY))
    again = Releases(tmp_path / "releases").unpacked(tmp_path / forged_wheels.NAME)
    result = replace(fresh, tree=again).judge(STRAY).result
    assert result.verdict is Verdict.UNRECORDED, result.reason


def test_a_module_laid_into_a_reverted_copy_is_taken_out_again(fresh: Bench) -> None:
    before = set((fresh.cache / "trees").glob("sglang-*"))
    assert fresh.judge(STRAY).result.verdict is Verdict.UNRECORDED
    (copy,) = set((fresh.cache / "trees").glob("sglang-*")) - before
    _write(copy / "sglang" / "late.py", b"")
    assert fresh.judge(STRAY).result.verdict is Verdict.UNRECORDED
    assert not (copy / "sglang" / "late.py").exists()


# --- the run's own bytecode -----------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Bytecode:
    root = upstream.write(tmp_path / "toy", ASKS)
    return Making(root, "sglang", ["sglang.pages"], tmp_path / "bytecode", deep=False).done


def test_it_holds_what_modules_import(made: Bytecode, tmp_path: Path) -> None:
    shelf = Shelf(made.to_json())
    sources = {path.stem: path.read_bytes() for path in (tmp_path / "toy/sglang").glob("*.py")}
    held = {name for name, source in sources.items() if shelf.of(source)}
    assert held == {"__init__", "pages", "spare"}
    assert shelf.of(b"other") is None


@pytest.mark.parametrize(("at_byte", "lost"), [(0, 3), (12, 3), (-1, 1)])
def test_what_was_altered_in_a_file_of_bytecode_is_none(
    made: Bytecode, tmp_path: Path, at_byte: int, lost: int
) -> None:
    """Of an altered index nothing is taken, and no altered piece."""
    sources = [path.read_bytes() for path in (tmp_path / "toy/sglang").glob("*.py")]
    whole = {source: piece for source in sources if (piece := Shelf(made.to_json()).of(source))}
    data = bytearray(Path(made.file).read_bytes())
    data[at_byte] ^= 1
    Path(made.file).write_bytes(data)
    shelf = Shelf(made.to_json())
    left = {source: piece for source in sources if (piece := shelf.of(source))}
    assert left.items() <= whole.items() and len(left) == len(whole) - lost == 3 - lost


def test_a_piece_of_another_source_is_refused_by_python_itself(made: Bytecode, tmp_path: Path) -> None:
    """Even in a file whose digest is right: each piece names the source that it is of."""
    data = Path(made.file).read_bytes()
    size = int.from_bytes(data[:8], "little")
    index = json.loads(data[8 : 8 + size])
    source = (tmp_path / "toy/sglang/spare.py").read_bytes()
    key = hashlib.sha256(source).hexdigest()
    piece = compiled(FAULTY, flags=0b11)
    index[key] = [len(data) - 8 - size, len(piece)]
    head = json.dumps(index).encode()
    forged = len(head).to_bytes(8, "little") + head + data[8 + size :] + piece
    Path(made.file).write_bytes(forged)
    told = {"file": made.file, "sha256": hashlib.sha256(forged).hexdigest()}
    assert imported(tmp_path / "toy", told) == "number"


IMPORT = """
import json, sys
from pathlib import Path
from harness.source import importing
root, bytecode, prefix = sys.argv[1:]
sys.pycache_prefix = prefix or None
importing.install(Path(root), "sglang", json.loads(bytecode))
from sglang import spare
print(spare.__loader__.get_code("sglang.spare").co_consts and spare.unused.__code__.co_varnames[0])
"""


def imported(root: Path, bytecode: dict[str, str], prefix: str = "") -> str:
    command = [sys.executable, "-c", IMPORT, str(root), json.dumps(bytecode), prefix]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.splitlines()[-1]


def test_a_prefix_of_the_user_s_is_not_read_either(tmp_path: Path) -> None:
    root = upstream.write(tmp_path / "toy")
    prefix = tmp_path / "prefix"
    held = Path(f"{prefix}{root}/sglang/spare.{sys.implementation.cache_tag}.pyc")
    held.parent.mkdir(parents=True)
    held.write_bytes(compiled(ENDS))
    assert imported(root, Bytecode().to_json(), str(prefix)) == "number"


def test_without_any_arms_compile_for_themselves(tmp_path: Path) -> None:
    root = upstream.write(tmp_path / "toy")
    assert imported(root, {"file": str(tmp_path / "gone"), "sha256": ""}) == "number"
    assert not list(tmp_path.rglob("*.pyc"))


@pytest.mark.parametrize("text", [b"def broken(:\n", b"\0", b"\xff\xfe", b"x = " + b"(" * 150 + b")" * 150])
def test_a_source_that_cannot_be_compiled_is_left_out(tmp_path: Path, text: bytes) -> None:
    root = upstream.write(tmp_path / "toy", ASKS)
    (root / "sglang" / "spare.py").write_bytes(text)
    made = Making(root, "sglang", ["sglang.pages"], tmp_path / "bytecode", deep=True).done
    assert Shelf(made.to_json()).of((root / "sglang" / "pages.py").read_bytes())


def test_it_goes_with_its_run_where_an_arm_could_have_written_it(
    fresh: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(fresh, cache=tmp_path / "cache")
    monkeypatch.setattr(own.pool, "protection", Protection.COMPARED)
    assert own.judge(STRAY).result.verdict is Verdict.UNRECORDED
    assert not list(own.cache.rglob("bytecode*"))


@pytest.mark.skipif(refused() is not None, reason="arms have no read-only folders here")
def test_it_stays_where_no_arm_can_write_it(
    fresh: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(fresh, cache=tmp_path / "cache")
    monkeypatch.setattr(own.pool, "protection", Protection.READ_ONLY)
    assert own.judge(STRAY).result.verdict is Verdict.UNRECORDED
    (kept,) = (own.cache / "bytecode").iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(bytecodes, "Making", None)  # a second one would have to be called
    assert own.judge(STRAY).result.verdict is Verdict.UNRECORDED
    assert kept.read_bytes() == before and not list((own.cache / "runs").rglob("bytecode*"))


def test_the_look_at_a_tree_costs_little(tmp_path: Path) -> None:
    """Some 40 ms for upstream's 3,400 files; the bound is for a busy machine."""
    import time

    for number in range(40):
        (tmp_path / f"f{number}").mkdir()
        for name in range(50):
            (tmp_path / f"f{number}" / f"{name}.py").write_text("")
    begun = time.process_time()
    assert len(scan(str(tmp_path)).sizes) == 2000
    assert time.process_time() - begun < 1
