"""What runs on several machines found out about one SGLang build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.documents import Document
from harness.errors import BadInput
from harness.verdict import Result, Verdict

_FAMILIES = ("cuda", "rocm")


@dataclass(frozen=True, kw_only=True)
class Build:
    """The SGLang that was tested; `tree` is the content hash of its package."""

    tree: str
    version: str | None = None

    @property
    def name(self) -> str:
        return f"sglang {self.version or 'of no known release'} ({self.tree[:12]})"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One result of one run. `verdict` is None where only one arm was asked for: that is no evidence.

    `platform` is what the result is for, `machine` the platform it was made on.
    """

    reproducer: str
    tier: str
    platform: str
    machine: str
    verdict: Verdict | None
    reason: str

    @property
    def place(self) -> str:
        """The platform that a policy would call it by.

        A case for "any ROCm device" is told by the machine it ran on. A compiled kernel is a matter
        of the target alone.
        """
        bare = self.tier != "codegen" and self.platform in _FAMILIES
        return self.machine if bare and self.machine.startswith(f"{self.platform}-") else self.platform


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows of all runs, the machines they were made on, and the names of the files they are from."""

    build: Build
    rows: tuple[Row, ...]
    machines: tuple[str, ...]
    sources: tuple[str, ...]


def gather(documents: Sequence[Document]) -> Results:
    """Several runs as one. BadInput where they are of different builds, or where one comes twice."""
    builds = [_build(document) for document in documents]
    for document, build in zip(documents, builds, strict=True):
        if build.tree != builds[0].tree:
            raise BadInput(
                f"{_source(document)} is of {build.name}, {_source(documents[0])} of {builds[0].name}: "
                "only results of one build can be merged: run all machines on the same wheel"
            )
    _refuse_copies(documents)
    return Results(
        build=builds[0],
        rows=tuple(_row(one, document.platform) for document in documents for one in document.results),
        machines=tuple(dict.fromkeys(document.platform for document in documents)),
        sources=tuple(map(_source, documents)),
    )


def _source(document: Document) -> str:
    """The file as it was given: several machines' files may share a name."""
    return str(document.folder / document.name) if document.folder else document.name


def _build(document: Document) -> Build:
    tree = document.sglang.get("tree")
    if not tree or not document.platform:
        missing = "platform of its machine" if tree else "content hash of its tree"
        raise BadInput(
            f"{_source(document)}: does not say the {missing}: make it anew with `refault run --json`"
        )
    return Build(tree=str(tree), version=document.sglang.get("version"))


def _refuse_copies(documents: Sequence[Document]) -> None:
    """One run given twice would count as two."""
    seen: dict[str, Document] = {}
    for document in documents:
        first = seen.setdefault(document.digest, document)
        if first is not document:
            raise BadInput(f"{_source(document)} holds the same run as {_source(first)}: give each run once")


def _row(result: Result, machine: str) -> Row:
    return Row(
        reproducer=result.reproducer,
        tier=result.tier,
        platform=result.platform,
        machine=machine,
        verdict=result.verdict,
        reason=result.reason,
    )
