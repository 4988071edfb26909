"""Reads back what `--json` wrote: only what has its form, whole and undamaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import foreign
from harness.documents.schema import schema
from harness.documents.seal import FORMAT, digest
from harness.errors import BadInput
from harness.facts import Platform
from harness.schema import departure
from harness.verdict import Result

_ANEW = "make it anew with `refault run --json`"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One run: which Refault, which SGLang, which machine, when (`at`, in UTC), and the results.

    `run` is a number of its own, `digest` the sha256 of the document's canonical JSON; `name` is the
    file's name, `folder` its place.
    """

    refault: str
    run: str
    sglang: Mapping[str, Any]
    machine: Mapping[str, Any]
    at: datetime
    results: tuple[Result, ...]
    digest: str
    name: str = ""
    folder: Path | None = None

    @property
    def platform(self) -> Platform:
        return Platform.parse(self.machine["platform"])

    @property
    def source(self) -> str:
        """The file as it was given: several machines' files may share a name."""
        return str(self.folder / self.name) if self.folder else self.name


def load(path: Path) -> Document:
    """The document in a file. Raises BadInput where it cannot be read, is damaged, or has another form."""
    return read(foreign.read(path), path)


def read(data: bytes, path: Path) -> Document:
    """The document in the bytes of the file `path`. Raises BadInput as `load` does."""
    try:
        value = foreign.parsed(data)
    except ValueError as error:  # no UTF-8, too
        raise BadInput(
            f"{foreign.shown(path)}: is no JSON ({foreign.cause(error)}): give a file that "
            "`refault run --json` wrote"
        ) from error
    return parse(value, name=path.name, folder=path.parent, place=foreign.shown(path))


def load_all(paths: Sequence[Path]) -> list[Document]:
    """The documents of several files, oldest first. Raises BadInput where one cannot be read, or for none."""
    if not paths:
        raise BadInput("no results file was named: give one or more files that --json wrote")
    return oldest_first(map(load, paths))


def oldest_first(documents: Iterable[Document]) -> list[Document]:
    """Documents in the order in which they were made."""
    return sorted(documents, key=lambda document: document.at)


def parse(data: Any, *, name: str = "", folder: Path | None = None, place: str = "document") -> Document:
    """The document in what was read as JSON. Raises BadInput, naming `place`, for damage or another form."""
    _refuse_others(data, place)
    try:
        results = tuple(map(Result.from_json, data["results"]))
        Platform.of_machine(data["machine"]["platform"])
    except ValueError as error:
        raise BadInput(f"{place}: {error}: {_ANEW}") from error
    return Document(
        refault=data["refault"], run=data["run"], sglang=data["sglang"], machine=data["machine"],
        at=datetime.fromisoformat(data["at"]).astimezone(UTC), results=results, digest=data["digest"],
        name=name, folder=folder,
    )  # fmt: skip


def _refuse_others(data: Any, place: str) -> None:
    if not isinstance(data, dict) or not {"refault", "results"} <= data.keys():
        raise BadInput(f"{place}: holds no results: give a file that `refault run --json` wrote")
    if (known := data.get("format", 1)) != FORMAT:
        raise BadInput(
            f"{place}: has format {foreign.shown(known, 20)}, but this version reads {FORMAT}: {_ANEW}"
        )
    if problem := departure(data, schema()):
        raise BadInput(f"{place}: {problem}: {_ANEW}")
    if digest(data) != data["digest"]:
        raise BadInput(
            f"{place}: its content is not that of its digest, so it was damaged or altered: {_ANEW}"
        )
