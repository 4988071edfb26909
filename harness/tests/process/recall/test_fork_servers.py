"""A pool's fork servers recall what imports work out, where arms cannot write it; arms see nothing of it."""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.process import recall
from harness.process.job import Environment, Job, Trunk
from harness.process.pool import Pool
from harness.process.protection import Protection, refused
from harness.process.recall import generated
from harness.process.recall.kept import Kept

MakeJob = Callable[..., Job]
SOURCE = """
import dataclasses

@dataclasses.dataclass
class Page:
    slots_of_a_page: int = 16

"""
NEEDS_MOUNTS = pytest.mark.skipif(refused() is not None, reason=f"no read-only folders here: {refused()}")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    (tmp_path / "m_pages.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Environment(preload=("m_pages",))


def _seen(job: Job, path: Path, **options: Any) -> dict[str, Any]:
    with Pool(lanes=1, recalled=path, **options) as pool:
        ended = pool.submit(job).result(timeout=60)
        assert not pool.notes
    assert ended.result
    return ended.result


@NEEDS_MOUNTS
def test_what_is_imported_ahead_is_kept_and_arms_are_as_ever(
    job: MakeJob, environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "recalled"
    described = dataclasses.replace(job("describes_itself"), environment=environment)
    for _ in range(2):
        seen = _seen(described, path)
        assert "m_pages" in seen["modules"] and "exec" not in seen["dataclasses"]
    assert any(b"slots_of_a_page" in text for text in Kept(path)._before)


def test_where_arms_could_write_it_nothing_is_recalled(
    job: MakeJob, environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "recalled"
    described = dataclasses.replace(job("describes_itself"), environment=environment)
    _seen(described, path, protection=Protection.COMPARED)
    assert not path.exists()


@NEEDS_MOUNTS
def test_what_a_trunk_generates_is_kept_by_the_pool_and_what_an_arm_does_is_not(
    job: MakeJob, environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "recalled"
    trunk = Trunk(name="one", entry="harness.tests.process.trunk_entries:generates", payload={})
    shared = dataclasses.replace(job("returns", n=3), environment=environment, trunk=trunk)
    for _ in range(2):
        seen = _seen(shared, path)
        assert seen == {"made": [{"slots_in_common": 3}, {"slots_of_an_arm": 3}], "recalling": [True, False]}
        texts = b"".join(Kept(path)._before)
        assert b"slots_in_common" in texts and b"slots_of_an_arm" not in texts


@pytest.mark.parametrize(
    "told",
    [b"", b"no document", b'{"1": 2}', b'[1, "x ="]', b"[" * 100_000, marshal.dumps((b"y = 1",))],
    ids=range(6),
)
def test_what_is_no_text_is_not_kept(told: bytes, tmp_path: Path) -> None:
    recall.learn(tmp_path / "recalled", [told, b'["x = 1"]'])
    assert [*Kept(tmp_path / "recalled")._before] == [b"x = 1"]


def test_a_trunk_that_cannot_tell_is_a_trunk_all_the_same(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "recalled")
    with recall.in_trunk(kept, tmp_path / "no folder/told"):
        kept.put(b"x = 1", b"its code")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("text", ["x = 1", "x = '\ud800é\0'"])
def test_a_text_is_told_as_it_is(text: str, tmp_path: Path) -> None:
    kept, told = Kept(tmp_path / "recalled"), tmp_path / "told"
    with recall.in_trunk(kept, told):
        kept.put(generated.key(text), b"its code")
    assert recall._texts(told.read_bytes()) == [generated.key(text)]
