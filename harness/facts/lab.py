"""What a case is given to work with: the interface between a reproducer and the arm that runs it.

`call(lab, **params)` of a case drives upstream through these members alone. docs/lab.md is made from their
docstrings (`python ci/facts_pages.py`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from harness.facts.kinds import DeclaredKind


class Lab(Protocol):
    """What every case is given, whichever tier runs it."""

    def observe(self, phase: str) -> AbstractContextManager[None]:
        """Run code under test inside this block, and nothing else: faults and the trace come from here.

        `phase` names the block in the trace ("capture", "replay"). The kernel tier watches memory; the
        codegen tier compiles what the block launches instead of running it.
        """

    def stand_in(self, name: str, **known: Any) -> Any:
        """An object with these attributes alone, for what upstream reads its facts from (a model runner).

        Any other attribute raises StandInMisused, which names `name`: a fact that the case lacks is a defect
        of the case, never a fault of the code under test.
        """

    def upstream(self, name: str, *, in_module: str = "") -> Any:
        """Upstream's function or class of this qualified name, wherever this release has its module.

        As in a revert: `pages_needed`, `Pool.grow`, `class Pool`. Where several modules have one,
        `in_module="sglang.srt.x"` chooses. Raises BadInput, which names what is near, where there is none.
        """

    def note(self, text: str) -> None:
        """Tell people something about this point. Notes are shown and kept, and never part of the verdict."""


class KernelLab(Lab, Protocol):
    """What a kernel case is given: one point, on one arm."""

    @property
    def folder(self) -> Path:
        """A folder of the arm's own for files; it is gone when the run's folder is."""

    @property
    def device(self) -> str:
        """Where upstream is to have its tensors: `cpu`, or torch's word for this machine's accelerator."""

    def given(self, name: str, tensor: Any) -> Any:
        """The case's own tensor, moved to `device` and watched there under `name`: pass on what is returned.

        On the CPU every argument of a kernel is watched as it is, the tensor comes back unchanged, and `name`
        is not used: faults and the trace take the name of the variable or attribute that holds the tensor. So
        bind it straight to a variable of that name: `expanded = lab.given("expanded", torch.full(…))`.
        """

    def require(self, buffer: str, tensor: Any, needed: int) -> None:
        """Report `short-buffer` where `tensor` has fewer than `needed` elements; `buffer` names it."""

    def report(self, kind: DeclaredKind, buffer: str, *, count: int, numel: int, message: str = "") -> None:
        """Report a fault of a kind that the reproducer's own package declares.

        `count` of the `numel` elements of `buffer` are wrong; `message` says more, and must be the same in
        every run: no addresses, times or paths. A kind that the case does not watch is a finding. Raises
        FactsError for one of Refault's own kinds, which the arm finds, and for a count out of 1 to `numel`.
        """

    def single_rank(self) -> None:
        """Set up upstream's parallel groups for one process, as `initialize_model_parallel` would."""

    def configuration(self, **fields: Any) -> AbstractContextManager[Any]:
        """Publish upstream's configuration with these fields; yields its ServerArgs.

        Releases up to 0.5.16 publish none and ask the model runner: there it yields None.
        """

    def undivided(self) -> AbstractContextManager[Any]:
        """State that no request's context is divided among ranks, in releases that ask (0.5.23)."""

    def environment(self, **variables: str) -> AbstractContextManager[None]:
        """Set environment variables that upstream reads, for as long as the block runs."""
