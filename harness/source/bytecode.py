"""The bytecode of a run: compiled by Refault itself from the sources that arms are about to import.

None is taken over from a tree, and none from another run where an arm could have planted it. It is made in a
process that executes none of it, and lies in one file whose digest arms are told; every piece is looked up
by its source's digest. What a tree has in common with those of former runs comes from what they kept: where
one module was changed, one is compiled. `sys.pycache_prefix` would not do: it moves the bytecode of torch and
all others too, and arms would write what later ones read.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import importlib.util
import json
import marshal
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

import harness
from harness import foreign
from harness.errors import BadInput

_SECONDS = 120
"""Upstream as a whole takes some 30: what takes longer is compiled by the arms, or ends them."""
_LARGEST = 1 << 24
"""Bytes of an index: that of upstream as a whole has some 300 KiB."""
_KEPT = 12
"""Files that stay from run to run; one has 20 MB, of a server's code 40 MB."""
_IMPORT, _CONSTANT = dis.opmap["IMPORT_NAME"], dis.opmap["LOAD_CONST"]
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from harness.source.bytecode import main; main()"
_Index = dict[str, tuple[int, int, str]]
"""Per digest of a source, where its piece begins, how long it is, and its own digest."""
_SIZE = 8
"""Bytes that say how long the index is, which comes before all pieces."""
_PYC_HEAD = 16
"""Bytes before the code in a `.pyc` (PEP 552)."""


@dataclass(frozen=True)
class Bytecode:
    """A file of bytecode, and the digest of its index when it was made; none at all without a file."""

    file: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, str]:
        return {"file": self.file, "sha256": self.sha256}


class Making:
    """Compiles what an import of these modules of the package may import, into a new file.

    It begins at once, in a process of its own. `deep` follows what functions import too, as servers do. Once
    it is whole the file is moved to `kept`, where one is given, and stays there; sources that files beside it
    hold are not compiled again.
    """

    def __init__(
        self, root: Path, package: str, modules: Sequence[str], file: Path, *, deep: bool,
        kept: Path | None = None,
    ) -> None:  # fmt: skip
        home, former = str(Path(next(iter(harness.__path__))).parent), str(kept.parent) if kept else ""
        words = [home, str(root), package, str(file), former, "deep" if deep else "shallow", *modules]
        self._file, self._process = file, _started([sys.executable, "-I", "-S", "-c", _BOOT, *words])
        self._kept = kept

    @cached_property
    def done(self) -> Bytecode:
        """Waits for it. Where nothing can be made, which a full disk does, there is none: arms compile."""
        if self._process is None:
            return Bytecode()
        try:
            said, _ = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Bytecode()
        return Bytecode(str(self._moved()), said.strip()) if self._process.returncode == 0 else Bytecode()

    def _moved(self) -> Path:
        """Where the file is from now on."""
        if self._kept is None:
            return self._file
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self._file, self._kept)
        except OSError:  # a full disk, or another file system
            return self._file
        _prune(self._kept.parent)
        return self._kept

    def discard(self) -> None:
        """End it, and take the file away."""
        if self._process is not None:
            with self._process:
                self._process.kill()
        with contextlib.suppress(OSError):  # the run's folder may be gone
            self._file.unlink()


class Ready:
    """The same, of a file that a former run has made."""

    def __init__(self, done: Bytecode) -> None:
        self.done = done

    def discard(self) -> None:
        """It stays where it is."""


def kept(file: Path) -> Ready | None:
    """What a former run has left there, if it did; to be used where no arm can write."""
    found = _found(file)
    with contextlib.suppress(OSError):
        os.utime(file)  # the oldest are removed
    return Ready(found) if found else None


def _found(file: Path) -> Bytecode | None:
    try:
        with open(file, "rb") as opened:
            size = int.from_bytes(opened.read(_SIZE), "little")
            head = opened.read(size) if size < _LARGEST else b""
        json.loads(head)
    except (OSError, ValueError):  # it is not there, or a disk has cut it off or altered it
        return None
    return Bytecode(str(file), hashlib.sha256(head).hexdigest())


def key(content_hash: str, modules: Sequence[str], *, deep: bool) -> str:
    """A name for all it depends on: what compiles, the tree's content, and what is asked for."""
    said = [content_hash, sorted(modules), deep]
    return f"{_compiler()}-{hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


def _compiler() -> str:
    """What makes of a source the same bytecode: Python, and this module."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    said = [sys.version, importlib.util.MAGIC_NUMBER.hex(), own]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _prune(folder: Path) -> None:
    """Remove the files that were used longest ago; whose file goes meanwhile compiles for itself."""
    with contextlib.suppress(OSError):  # another run may be at it
        for old in sorted(folder.iterdir(), key=lambda file: -file.stat().st_mtime)[_KEPT:]:
            old.unlink()


def _started(command: Sequence[str]) -> subprocess.Popen[str] | None:
    """The process that compiles; None where the machine has no room for one."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
    except OSError:
        return None


class Shelf:
    """The pieces of one file, in the process that imports. A file that is not what was made has none."""

    def __init__(self, bytecode: Mapping[str, str]) -> None:
        self._file, head = _opened(bytecode["file"], bytecode["sha256"])
        self._index: _Index = json.loads(head or b"{}")
        self._base = _SIZE + len(head)

    def of(self, source: bytes) -> bytes | None:
        """What a source compiles to, as a checked `.pyc` holds it; None for one that is not there as made."""
        if self._file is None or (place := self._index.get(hashlib.sha256(source).hexdigest())) is None:
            return None
        at, size, digest = place
        piece = os.pread(self._file, size, self._base + at)
        return piece if hashlib.sha256(piece).hexdigest() == digest else None


def _opened(file: str, sha256: str) -> tuple[int | None, bytes]:
    """A descriptor of the file, and its index: of what is large only what is imported is read."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if file else None
    except OSError:  # the run's folder is gone: sources are all that is needed
        opened = None
    if opened is None:
        return None, b""
    size = int.from_bytes(os.pread(opened, _SIZE, 0), "little")
    head = os.pread(opened, size, _SIZE) if size < _LARGEST else b""
    if hashlib.sha256(head).hexdigest() != sha256:
        os.close(opened)
        return None, b""
    return opened, head


# --- in the process that compiles -----------------------------------------------------------


def main() -> None:
    """Arguments: where Refault lies, the tree's root, the package, the file to write, the folder of what
    former runs kept, how deep, modules.
    """
    _, _, root, package, file, former, depth, *modules = sys.argv
    warnings.simplefilter("ignore")
    pieces = dict(_Closure(root, package, _former(former), deep=depth == "deep").pieces(modules))
    print(_written(Path(file), pieces))


def _written(file: Path, pieces: Mapping[str, bytes]) -> str:
    index: _Index = {}
    at = 0
    for source, piece in pieces.items():
        index[source] = (at, len(piece), hashlib.sha256(piece).hexdigest())
        at += len(piece)
    head = json.dumps(index).encode()
    file.write_bytes(b"".join((len(head).to_bytes(_SIZE, "little"), head, *pieces.values())))
    return hashlib.sha256(head).hexdigest()


def _former(folder: str) -> list[Shelf]:
    """What this Python and this module compiled in former runs, the newest first; nothing without one."""
    files = Path(folder).glob(f"{_compiler()}-*") if folder else ()
    found: dict[Bytecode, float] = {}
    for file in files:
        with contextlib.suppress(OSError):  # another run may have removed it
            if made := _found(file):
                found[made] = file.stat().st_mtime
    return [Shelf(made.to_json()) for made in sorted(found, key=found.__getitem__, reverse=True)]


class _Closure:
    """Follows what modules import when they are imported, and what their functions import in turn."""

    def __init__(self, root: str, package: str, former: Sequence[Shelf], *, deep: bool) -> None:
        self._root, self._package, self._former, self._deep = root, package, former, deep

    def pieces(self, modules: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The digest of every source with its bytecode, each module once."""
        waiting, seen = list(reversed(modules)), set[str]()
        while waiting:
            name = waiting.pop()
            found = None if name in seen else self._compiled(name)
            seen.add(name)
            if found:
                source, piece, is_package = found
                yield hashlib.sha256(source).hexdigest(), piece
                waiting += self._imports(name, marshal.loads(piece[_PYC_HEAD:]), is_package)

    def _compiled(self, name: str) -> tuple[bytes, bytes, bool] | None:
        """Source, bytecode, and whether it is a package; None for what is not the package's or not Python."""
        if name.partition(".")[0] != self._package:
            return None
        base = os.path.join(self._root, *name.split("."))
        for file, is_package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if os.path.isfile(file):
                read = self._piece(file)
                return read and (*read, is_package)
        return None

    def _piece(self, file: str) -> tuple[bytes, bytes] | None:
        try:
            source = foreign.read(file, largest=foreign.LARGEST_SOURCE)
            made = next(filter(None, (shelf.of(source) for shelf in self._former)), None)
            return source, made or _pyc(source, compile(source, file, "exec", dont_inherit=True))
        except (BadInput, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return None  # whoever imports it is told why

    def _imports(self, name: str, code: CodeType, is_package: bool) -> Iterator[str]:
        parent = name.rpartition(".")[0]
        if parent:
            yield parent
        home = name if is_package else parent
        for wanted, level, names in _imported(code, self._deep):
            module = _absolute(wanted, level, home)
            yield module
            yield from (f"{module}.{one}" for one in names)


def _pyc(source: bytes, code: CodeType) -> bytes:
    """A `.pyc` whose source is checked, by its hash, when it is loaded (PEP 552)."""
    head = importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


def _imported(code: CodeType, deep: bool) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """What a module, and `deep` its functions and classes too, imports: name, level, names."""
    for inner in code.co_consts if deep else ():
        if isinstance(inner, CodeType):
            yield from _imported(inner, deep)
    if _IMPORT in code.co_code[::2]:  # to take all of them apart would take longer than to compile them
        yield from _imports_of(code)


def _imports_of(code: CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """The constants loaded last are the level and the names; dis would put every instruction into words."""
    constants: list[Any] = [0, ()]
    extended = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = extended << 8 | low
        extended = argument if operation == dis.EXTENDED_ARG else 0
        if operation == _CONSTANT:
            constants.append(code.co_consts[argument])
        elif operation == _IMPORT:
            level, names = constants[-2:]
            yield code.co_names[argument], level or 0, names or ()


def _absolute(name: str, level: int, home: str) -> str:
    for _ in range(level - 1):
        home = home.rpartition(".")[0]
    return ".".join(filter(None, (home, name))) if level else name
