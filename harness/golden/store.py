"""The goldens of every home: read, written whole or not at all, and compared with new ones."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness import foreign
from harness.errors import BadInput, FactsError, GoldenError
from harness.facts import CaseKey, Tier
from harness.golden.form import FORMAT
from harness.golden.record import Golden
from harness.homes import Home
from harness.observation.compare import plain, value_differences

_LARGEST = 64 * foreign.MIB
"""The largest golden has some 200 KiB."""
_PART = re.compile(r"\w[\w.+-]*")
_REMEDY = "restore it, or delete it and run `refault record`"


@dataclass(frozen=True)
class Recorded:
    """What recording did or would do: `differs` means that the file was left as it is."""

    path: Path
    status: Literal["new", "same", "updated", "differs"]
    diff: str = ""


@dataclass(frozen=True)
class GoldenStore:
    """Goldens by identity: `<reproducer>/<tier>.<platform>.json` below the folder of its home.

    `folder` is that of every reproducer that is not in `elsewhere`.
    """

    folder: Path
    elsewhere: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, homes: Sequence[Home]) -> GoldenStore:
        """The goldens of these homes, the first of which is Refault's own."""
        elsewhere = {module: home.goldens for home in homes[1:] for module in home.modules}
        return cls(homes[0].goldens, elsewhere)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of goldens, each once."""
        return tuple(dict.fromkeys((self.folder, *self.elsewhere.values())))

    def folder_of(self, reproducer: str) -> Path:
        """The folder of a reproducer's goldens."""
        return self.elsewhere.get(reproducer, self.folder)

    def path(self, key: CaseKey) -> Path:
        """Where the golden of a case lives. Raises GoldenError for a reproducer that is no plain name."""
        if not _PART.fullmatch(key.reproducer):
            text = f"{key.reproducer!r} cannot be part of a golden's path"
            raise GoldenError(f"{text}: use letters, digits, . + - _")
        return self.folder_of(key.reproducer) / key.reproducer / f"{key.tier}.{key.platform}.json"

    def load(self, key: CaseKey) -> Golden | None:
        """The golden of a case, or None. Raises GoldenError for an unreadable or a foreign one."""
        path = self.path(key)
        if not os.path.lexists(path):
            return None
        golden = _parsed(path)
        if golden.key != key:
            raise GoldenError(f"{path}: is the golden of {golden.key}: move it there, or delete it")
        return golden

    def save(self, golden: Golden) -> Path:
        """Write a golden, whole or not at all. Raises BadInput where the place cannot be written."""
        path = self.path(golden.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, golden.text)
        except OSError as error:
            raise BadInput(
                f"{path}: cannot be written ({foreign.cause(error)}): make the place writable"
            ) from error
        return path

    def propose(self, golden: Golden) -> Recorded:
        """What recording would change; writes nothing."""
        path, old = self.path(golden.key), self.load(golden.key)
        if old is None:
            return Recorded(path, "new", _diff(path, "", golden.text))
        if _agree(old, golden):
            return Recorded(path, "same")
        return Recorded(path, "differs", _diff(path, old.text, golden.text))

    def record(
        self, golden: Golden, *, update: bool = False, show: Callable[[str], object] | None = None
    ) -> Recorded:
        """Write a missing golden, or, with `update`, one that differs, after handing its diff to `show`.

        Take `golden` from `harness.verdict.golden_of`, which refuses arms that did not behave.
        """
        proposed = self.propose(golden)
        if proposed.status == "same" or (proposed.status == "differs" and not update):
            return proposed
        if proposed.status == "differs" and show:
            show(proposed.diff)
        self.save(golden)
        return proposed if proposed.status == "new" else replace(proposed, status="updated")

    def orphans(self, owned: Collection[tuple[str, Tier]]) -> list[Path]:
        """Files that none of the `owned` (reproducer, tier) pairs accounts for, hidden ones apart."""
        return [path for folder in self.folders for path in self._orphans(folder, owned)]

    def _orphans(self, folder: Path, owned: Collection[tuple[str, Tier]]) -> list[Path]:
        own = {pair for pair in owned if self.folder_of(pair[0]) == folder}
        files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
        return sorted(path for path in files if not self._is_owned(path.relative_to(folder), own))

    def _is_owned(self, path: Path, owned: Collection[tuple[str, Tier]]) -> bool:
        if path.name.startswith("."):
            return True
        tier, _, platform = path.name.removesuffix(".json").partition(".")
        whole = len(path.parts) == 2 and path.suffix == ".json" and bool(_PART.fullmatch(platform))
        return whole and (path.parts[0], tier) in owned


def _parsed(path: Path) -> Golden:
    try:
        data = foreign.parsed(foreign.read(path, largest=_LARGEST))
        version = data.get("golden") if isinstance(data, dict) else None
        if version == FORMAT:
            return Golden.from_json(data)
    except (ValueError, FactsError) as error:
        raise GoldenError(f"{path}: unreadable ({foreign.cause(error)}): {_REMEDY}") from error
    except BadInput as error:  # whose message begins with the path
        raise GoldenError(f"{error}: {_REMEDY}") from error
    told = foreign.shown(repr(version), 20)
    raise GoldenError(f"{path}: has format {told}, but this version reads {FORMAT}: {_REMEDY}")


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _agree(old: Golden, new: Golden) -> bool:
    """Whether two goldens say the same: floats within the case's tolerance, as a verdict has it.

    Their last digits are the processor's, and would have a golden written anew on each machine.
    """
    before, after = (_lasting(one.to_json()) for one in (old, new))
    return _exact(old) == _exact(new) and not any(value_differences("", before, after, old.tolerance))


def _exact(golden: Golden) -> Any:
    """What has floats and is compared to the bit: it was written down, and not computed."""
    points = {arm: [one.point.params for one in points] for arm, points in golden.arms.items()}
    return golden.tolerance, points


def _lasting(data: dict[str, Any]) -> dict[str, Any]:
    """A golden's JSON without what changes from one recording of the same behaviour to the next."""
    data = plain(data)
    del data["digest"]
    for name in ("recorded", "command"):
        data["provenance"].pop(name, None)
    for arm in data["arms"].values():
        for point in arm["points"]:
            del point["digest"]
    return dict(data)


def _diff(path: Path, old: str, new: str) -> str:
    before, after = f"{path.name} (stored)", f"{path.name} (seen)"
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), before, after))
