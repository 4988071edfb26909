"""What runs on several machines found out about one SGLang build."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from harness import __version__
from harness.documents import Document
from harness.errors import BadInput
from harness.facts import CaseKey, OfCase, Platform, runs_on
from harness.source import known
from harness.source.tree import Tree
from harness.verdict import EvidenceClass, Result, Verdict

_AHEAD = timedelta(hours=1)
"""How far clocks may differ."""

Scrutiny = Callable[[Document, Result], str | None]
"""Why a result of a document is not what its arms show; None where it is."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """The SGLang that was tested; `tree` is the content hash of its package.

    `version` is what the tree calls itself, `release` the one whose content it is known to have: that
    alone spares a requirement.
    """

    tree: str
    version: str | None = None
    release: str | None = None

    @classmethod
    def of(cls, tree: Tree) -> Build:
        return cls(tree=tree.content_hash, version=tree.version, release=known.release(tree))

    @property
    def name(self) -> str:
        if self.release:
            return f"sglang {self.release} ({self.tree[:12]})"
        claim = f"claims {self.version}, not known" if self.version else "of no known release"
        return f"sglang ({claim}; {self.tree[:12]})"


@dataclass(frozen=True, kw_only=True)
class Row(OfCase):
    """One result of one run. `verdict` is None where only one arm was asked for: that is no evidence.

    `key` is of what the result is for, `machine` the platform it was made on. `problem` says why it does
    not count. `retired` says that it ran on another release than the build, and is no evidence of that.
    """

    key: CaseKey
    machine: Platform
    verdict: Verdict | None
    reason: str
    problem: str | None = None
    evidence: EvidenceClass = EvidenceClass.FAULT
    retired: bool = False

    @property
    def asked(self) -> CaseKey:
        """What a policy would call it: a case for "any ROCm device" goes by the machine that it ran on."""
        return replace(self.key, platform=runs_on(self.tier, self.platform, self.machine))


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows of all runs, the machines they were made on, and the names of the files they are from.

    `refused` has, for each file that does not count at all, its name and why.
    """

    build: Build
    rows: tuple[Row, ...]
    machines: tuple[Platform, ...]
    sources: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


def gather(
    documents: Sequence[Document],
    build: Build,
    scrutiny: Scrutiny,
    refused: Sequence[tuple[str, str]] = (),
) -> Results:
    """Several runs as one. BadInput where they are of another build, or where one comes twice."""
    for document in documents:
        _refuse_other(document, build)
    _refuse_copies(documents)
    return Results(
        build=build,
        rows=tuple(_rows(documents, scrutiny)),
        machines=tuple(dict.fromkeys(document.platform for document in documents)),
        sources=tuple(document.source for document in documents),
        refused=tuple(refused),
    )


def _refuse_other(document: Document, build: Build) -> None:
    tree = str(document.sglang["tree"])
    if tree != build.tree:
        other = f"{document.source} is of a tree {tree[:12]}, which claims {document.sglang['version']}"
        raise BadInput(f"{other}, and the build is {build.name}: run all machines on that build")


def _refuse_copies(documents: Sequence[Document]) -> None:
    """One run given twice would count as two."""
    seen: dict[str, Document] = {}
    for document in documents:
        for name in (document.digest, document.run):
            first = seen.setdefault(name, document)
            if first is not document:
                raise BadInput(f"{document.source} holds the same run as {first.source}: give each run once")


def _rows(documents: Sequence[Document], scrutiny: Scrutiny) -> Iterator[Row]:
    logs: set[tuple[str | None, ...]] = set()
    for document in documents:
        for result in document.results:
            problem = scrutiny(document, result) if result.verdict else None
            own = tuple(arm.log for arm in result.arms.values())
            if own and own in logs:  # each arm of each run has a log of its own
                problem = problem or "the logs of its arms are those of another result: one run counts once"
            logs.add(own)
            yield Row(
                key=result.key, machine=document.platform, verdict=result.verdict, reason=result.reason,
                problem=problem, evidence=result.evidence, retired=result.retired is not None,
            )  # fmt: skip


def unfit(document: Document, now: datetime, max_age_days: int) -> str | None:
    """Why a document as a whole is no evidence today; None if it is."""
    if document.refault != __version__:
        return f"it was made with Refault {document.refault}, and this is {__version__}: run it anew"
    if document.at > now + _AHEAD:
        return f"it is of {document.at:%Y-%m-%d %H:%M} UTC, which is still to come: set the machine's clock"
    if document.at < now - timedelta(days=max_age_days):
        return f"it is of {document.at:%Y-%m-%d}, more than {max_age_days} days ago: run it anew"
    return None
