"""Before or after which release a tree is of, by what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.source import age
from harness.source.age import Age
from harness.source.releases import order
from harness.source.tree import at

FILES = {
    "1.0": {"a", "b", "gone"},
    "1.1": {"a", "b", "c", "gone"},
    "1.1.post1": {"a", "b", "c", "gone"},
    "1.2": {"a", "b", "c", "d", "e"},
}
TABLE = '[sglang]\n"1.0" = ["a.py", "b.py"]\n"1.1" = ["c.py"]\n"1.2" = ["d.py", "e.py"]\n'


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy's releases in place of upstream's."""
    file = tmp_path / "landmarks.toml"
    file.write_text(TABLE)
    monkeypatch.setattr(age, "TABLE", file)
    age._table.cache_clear()
    yield
    age._table.cache_clear()


def test_landmarks_are_what_came_with_a_release_and_stayed() -> None:
    found = dict(age.landmarks({release: frozenset(files) for release, files in FILES.items()}))
    assert found == {"1.0": ["a", "b"], "1.1": ["c"], "1.2": ["d", "e"]}


@pytest.mark.parametrize(
    ("names", "has", "lacks", "before", "since"),
    [
        ("ab", "1.0", "1.1", ("1.1", "1.2", "1.3"), ("0.9", "1.0")),
        ("abc", "1.1", "1.2", ("1.2", "1.3"), ("0.9", "1.0", "1.1")),
        ("abcd", "1.1", None, (), ("0.9", "1.0", "1.1")),  # between two releases
        ("abcde", "1.2", None, (), ("0.9", "1.0", "1.1", "1.2")),
        ("", None, "1.0", (), ()),  # a tree with nothing of any release is not thereby an old one
        ("ad", None, None, (), ()),
    ],
)
def test_what_a_tree_holds_says_how_old_it_is(
    names: str,
    has: str | None,
    lacks: str | None,
    before: tuple[str, ...],
    since: tuple[str, ...],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "tree/sglang"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "version.py").write_text('__version__ = "0.0.1"\n')  # what it claims counts for nothing
    for name in names:
        (folder / f"{name}.py").touch()
    found = age.of(at(tmp_path / "tree"))
    assert (found.has, found.lacks, found.release) == (has, lacks, None)
    asked = ("0.9", "1.0", "1.1", "1.2", "1.3")
    assert tuple(one for one in asked if found.is_before(one)) == before
    assert tuple(one for one in asked if found.is_since(one)) == since


def test_a_published_release_is_as_old_as_it_is() -> None:
    found = Age(release="1.1.post1")
    assert found.is_before("1.2") and not found.is_before("1.1.post1") and not found.is_before("1.1")
    assert found.is_since("1.1.post1") and not found.is_since("1.2")
    assert found.told == "is 1.1.post1 as published"


def test_how_it_shows_is_told() -> None:
    assert Age(has="1.0", lacks="1.1").told == "has what came with 1.0 and nothing of what came with 1.1"
    assert Age().told == "is of no known release"


def test_the_table_of_upstream_is_in_the_order_of_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "TABLE", Path(age.__file__).with_name("landmarks.toml"))
    age._table.cache_clear()
    table = age._table()
    assert list(table) == sorted(table, key=order) and len(table) > 10
    each = [path for marks in table.values() for path in marks]
    assert len(each) == len(set(each)) and all(path.startswith("srt/") for path in each)
