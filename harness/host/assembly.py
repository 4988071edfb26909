"""Assembly of kernels for AMD GPUs, kept by what it is compiled from, so that equal IR is compiled once.

An arm looks up the assembly of the IR that Triton's front end makes of its kernels. What it has to compile
itself it tells of, as IR, and a process that never imports the code under test compiles that anew for the
next runs (`make`): no arm has a say in what another one is given for the same IR.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import triton
from triton._C.libtriton import get_cache_invalidating_env_vars
from triton._C.libtriton import ir as mlir
from triton.backends.amd.compiler import HIPBackend

from harness import foreign
from harness.errors import BadInput, Unresolved
from harness.facts import Platform
from harness.host import triton_files
from harness.host.targets import Target, compiling

PATCH = "triton.backends.amd.compiler.HIPBackend: assembly of equal IR is taken from the cache"
LARGEST = 8 * foreign.MIB
"""Bytes of one file: the assembly of upstream's largest kernels has some 500 KiB."""
MOST = 1000
"""Files that are kept; the oldest go."""
_PATH = re.compile(r'loc\("[^"]*/([^"/]+)"')
_COMMON = frozenset({"hash", "target", "triton_version", *get_cache_invalidating_env_vars()})
"""Metadata that every compilation has by itself."""
_STAGES = ("make_ttgir", "make_llir", "make_amdgcn")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """What assembly is made of.

    `ir` is Triton's, with files by their names alone; `options` are the back end's, as JSON; `compiler` says
    which Triton it is.
    """

    ir: str
    chip: str
    options: str
    compiler: str

    @property
    def key(self) -> str:
        """sha256 of all of it."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Assembly:
    """Assembly, and what the compiler's metadata say of it beyond its options."""

    text: str
    metadata: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """sha256 of both."""
        return hashlib.sha256(json.dumps([self.text, dict(self.metadata)]).encode()).hexdigest()


@dataclass(frozen=True)
class Kept:
    """Assembly in a folder, a file each. What is no such file, or a broken one, counts as not there."""

    folder: Path

    def find(self, key: str) -> Assembly | None:
        """What was kept under a key."""
        path = self.folder / f"{key}.json"
        if not os.path.lexists(path):
            return None
        try:
            data = foreign.document(path, largest=LARGEST)
            found = Assembly(str(data["text"]), dict(data["metadata"]))
            if (data["key"], data["digest"]) != (key, found.digest):
                raise ValueError("it is not what was written")
        except (BadInput, ValueError, TypeError, KeyError) as error:
            _log.warning("ignoring %s, which is no kept assembly (%s)", path, error)
            return None
        return found

    def add(self, key: str, assembly: Assembly) -> None:
        """Keep assembly, whole or not at all; of more than MOST the oldest are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"key": key, "digest": assembly.digest, "text": assembly.text, "metadata": assembly.metadata}
        half = self.folder / f"{key}.{os.getpid()}.half"
        half.write_text(json.dumps(told), encoding="utf-8")
        half.replace(self.folder / f"{key}.json")
        for old in sorted(self.folder.glob("*.json"), key=_age, reverse=True)[MOST:]:
            old.unlink(missing_ok=True)


def _age(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def compiler() -> str:
    """Which Triton this is, by its files, and the variables by which it compiles otherwise."""
    return f"{triton_files.told()} {sorted(get_cache_invalidating_env_vars().items())}"


# --- in an arm -------------------------------------------------------------------------------


class _Known(str):
    """Assembly in the place of what the compiler's earlier stages would make."""


class Memo:
    """Stands between Triton's front end and its back end in this process, for one chip.

    `missing` are the sources that had to be compiled.
    """

    def __init__(self, kept: Kept, target: Target) -> None:
        self._kept, self._chip = kept, str(target.platform)
        self.missing: list[Source] = []
        self._compile = HIPBackend.make_ttgir

    def install(self) -> None:
        """From here on. It stays until the process ends."""
        HIPBackend.make_ttgir = staticmethod(self._to_gpu)
        HIPBackend.make_llir, HIPBackend.make_amdgcn = map(_passing, _STAGES[1:])

    def _to_gpu(self, module: Any, metadata: dict[str, Any], options: Any) -> Any:
        """The assembly, if it is known, else what Triton makes of the same IR that others will look up."""
        source = Source(nameless(str(module)), self._chip, told(options), compiler())
        found = self._kept.find(source.key)
        if found is None:
            self.missing.append(source)
            return self._compile(_parsed(source.ir, module.context), metadata, options)
        metadata.update(found.metadata)
        return _Known(found.text)


def _passing(stage: str) -> Any:
    """A later stage, which has nothing to do for what is known."""
    compiled = getattr(HIPBackend, stage)
    return staticmethod(
        lambda source, metadata, options: (
            source if isinstance(source, _Known) else compiled(source, metadata, options)
        )
    )


def nameless(ir: str) -> str:
    """IR with the names of its source files, without their folders: trees lie in several."""
    return _PATH.sub(r'loc("\1"', ir)


def told(options: Any) -> str:
    """The back end's options as JSON."""
    return json.dumps(options.__dict__, sort_keys=True)


def _parsed(text: str, context: Any) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".ttir", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        module = mlir.parse_mlir_module(file.name, context)
    module.context = context
    return module


# --- for the next runs -----------------------------------------------------------------------


def make(sources: Iterable[Source], kept: Kept) -> int:
    """Compile and keep the assembly of sources that are of this Triton; how many were."""
    count = 0
    for source in sources:
        if source.compiler == compiler() and kept.find(source.key) is None:
            kept.add(source.key, _compiled(source))
            count += 1
    return count


def _compiled(source: Source) -> Assembly:
    """Unresolved where the options are not what they were told to be."""
    target, given = Target(Platform.parse(source.chip)), json.loads(source.options)
    backend = HIPBackend(target.gpu)
    options = {name: _hashable(value) for name, value in given.items()}
    if told(backend.parse_options(options)) != source.options:
        raise Unresolved(f"options of Triton's that cannot be given again: {source.options[:200]}")
    with tempfile.TemporaryDirectory() as folder, compiling(target, lambda function, kernel: None):
        path = Path(folder, "kernel.ttir")
        path.write_text(source.ir, encoding="utf-8")
        kernel = triton.compile(str(path), target=target.gpu, options=options)
    # As JSON has it: what were tuples are lists on both sides.
    about = kernel.metadata._asdict()
    metadata = json.loads(json.dumps({name: about[name] for name in about if name not in _COMMON}))
    own = {name: value for name, value in metadata.items() if value != given.get(name)}
    return Assembly(kernel.asm[target.language], own)


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
