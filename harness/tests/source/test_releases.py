"""Releases: fetched once, shared, and repaired."""

from __future__ import annotations

import fcntl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.source import pip, releases
from harness.source.releases import Releases, order, parse
from harness.source.resolve import resolve
from harness.source.tree import Tree
from harness.tests.source import toy_wheel


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip finds, with releases 1.2.3 and 1.3.0."""
    folder = tmp_path / "wheels"
    for version in ("1.2.3", "1.3.0"):
        toy_wheel.write(folder, version)
    for name, value in toy_wheel.index(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def cold(tmp_path: Path, found: Path) -> Releases:
    return Releases(tmp_path / "cache", "toy")


def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))


def test_a_release_is_fetched_and_is_then_there_without_a_network(
    cold: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = cold.tree("1.2.3")
    assert tree == Tree(tmp_path / "cache" / "1.2.3", "toy", "released", "1.2.3", ours=True)
    assert (tree.folder / "pages.py").read_text() == "SIZE = 16\n"
    unreachable(monkeypatch, tmp_path)
    assert Releases(tmp_path / "cache", "toy").tree("1.2.3") == tree


def test_a_damaged_entry_is_made_anew_without_a_network(
    cold: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cold.tree("1.2.3").content_hash
    unreachable(monkeypatch, tmp_path)
    (tmp_path / "cache" / "1.2.3" / "toy" / "pages.py").write_text("SIZE = 61\n")
    tree = cold.tree("1.2.3")
    assert tree.content_hash == before and (tree.folder / "pages.py").read_text() == "SIZE = 16\n"


def test_where_the_kept_wheel_is_damaged_too_it_is_fetched_again(cold: Releases, tmp_path: Path) -> None:
    before = cold.tree("1.2.3").content_hash
    (tmp_path / "cache" / "1.2.3" / "toy" / "pages.py").unlink()
    (kept,) = (tmp_path / "cache" / "wheels").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert cold.tree("1.2.3").content_hash == before
    assert [path.name for path in (tmp_path / "cache" / "wheels").iterdir()] == [kept.name]


def test_a_wheel_that_keeps_coming_damaged_is_one_line(cold: Releases, found: Path, tmp_path: Path) -> None:
    toy_wheel.rewrite(found / "toy-1.2.3-py3-none-any.whl", {"toy/pages.py": "SIZE = 1\n"})
    with pytest.raises(BadInput, match=r"toy 1\.2\.3 came damaged 2 times .*not what its record says"):
        cold.tree("1.2.3")
    assert not (tmp_path / "cache" / "1.2.3").exists()
    assert not list((tmp_path / "cache").glob(".unfinished*"))


def test_an_unknown_release_names_the_newest(cold: Releases) -> None:
    with pytest.raises(
        BadInput, match=r"toy 9\.9 is no release that can be had: the newest are 1\.2\.3, 1\.3\.0"
    ):
        cold.tree("9.9")


def test_a_cold_cache_without_an_index_is_one_line(
    cold: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable(monkeypatch, tmp_path)
    with pytest.raises(BadInput, match="no package index answers: connect, or give a path") as caught:
        cold.tree("1.2.3")
    assert "\n" not in str(caught.value)


def test_a_wheel_for_another_python_does(cold: Releases, found: Path) -> None:
    toy_wheel.write(found, "1.4.0", tags="cp310-cp310-manylinux_2_34_x86_64")
    assert cold.tree("1.4.0").version == "1.4.0"


def test_two_at_once_fetch_once(cold: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    download = pip.download

    def counted(*words: str, **options: bool) -> Path:
        fetched.append(words[1])
        return download(words[0], words[1], Path(words[2]), **options)

    monkeypatch.setattr(pip, "download", counted)
    with ThreadPoolExecutor(4) as threads:
        trees = list(threads.map(cold.tree, ["1.2.3"] * 4))
    assert len(set(trees)) == 1 and fetched == ["1.2.3"]


def test_whoever_comes_second_waits(cold: Releases, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with open(tmp_path / "cache" / ".1.2.3.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=cold.tree, args=("1.2.3",))
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive() and not (tmp_path / "cache" / "1.2.3").exists()
    thread.join(timeout=60)
    assert (tmp_path / "cache" / "1.2.3" / "toy").is_dir()


def test_what_a_killed_run_left_is_cleared_away(cold: Releases, tmp_path: Path) -> None:
    (tmp_path / "cache" / ".unfinished-1.2.3-abc" / "made").mkdir(parents=True)
    (tmp_path / "cache" / ".unfinished-1.3.0-abc").mkdir()
    cold.tree("1.2.3")
    assert [path.name for path in (tmp_path / "cache").glob(".unfinished*")] == [".unfinished-1.3.0-abc"]


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, found: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot hold a release .*REFAULT_CACHE"):
        Releases(tmp_path / "file", "toy").tree("1.2.3")


def test_a_wheel_file_is_kept_under_its_digest(cold: Releases, found: Path) -> None:
    wheel = found / "toy-1.3.0-py3-none-any.whl"
    tree = cold.unpacked(wheel)
    assert (tree.version, tree.origin) == ("1.3.0", "released") and cold.unpacked(wheel) == tree
    toy_wheel.write(found, "1.3.0", {"toy/__init__.py": "", "toy/pages.py": "SIZE = 8\n"})
    assert cold.unpacked(wheel).root != tree.root
    assert cold.cached() == ()  # no release: it may be anything that was built here


@pytest.mark.parametrize("name", ["toy-1.3.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"])
def test_a_bad_wheel_file_is_one_line(cold: Releases, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(BadInput, match="is no sound wheel of toy"):
        cold.unpacked(tmp_path / name)


def test_published_are_those_of_the_index_or_the_cached(
    cold: Releases, found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.2.0", "1.3.0.post1", "1.4.0rc1"):
        toy_wheel.write(found, version)
    assert cold.published("1.2.3") == ("1.2.3", "1.3.0", "1.3.0.post1")
    cold.tree("1.3.0")
    unreachable(monkeypatch, tmp_path)
    assert cold.published("1.2.3") == cold.cached() == ("1.3.0",)


def test_the_manifest_tells_where_a_tree_came_from(cold: Releases, found: Path) -> None:
    known = releases.manifest(cold.tree("1.2.3"))
    assert known is not None and known.wheel == "toy-1.2.3-py3-none-any.whl"
    assert releases.manifest(Tree(found, "toy")) is None


# --- names ---------------------------------------------------------------------------------


def test_releases_are_told_from_other_words() -> None:
    assert parse("v0.5.15") == parse("0.5.15") == "0.5.15"
    assert parse("0.5.10.post1") == "0.5.10.post1" and parse("0.5.10rc0") == "0.5.10rc0"
    assert not any(map(parse, ("", "installed", "5", "0.5.x", "../0.5", "0.5.15/", "all")))


def test_releases_have_an_order() -> None:
    inorder = ["0.5.9", "0.5.10rc0", "0.5.10rc1", "0.5.10", "0.5.10.post1", "0.5.10.post2", "0.5.11", "0.6.0"]
    shuffled = [inorder[index] for index in (3, 7, 0, 5, 1, 6, 2, 4)]
    assert sorted(shuffled, key=order) == inorder


@given(
    st.lists(st.integers(0, 30), min_size=3, max_size=3), st.lists(st.integers(0, 30), min_size=3, max_size=3)
)
def test_numbers_count_as_numbers(one: list[int], other: list[int]) -> None:
    assert (order(".".join(map(str, one))) < order(".".join(map(str, other)))) is (one < other)


# --- what a user calls a tree --------------------------------------------------------------


def test_resolve_takes_a_path_a_wheel_a_release_or_says_what_it_takes(
    cold: Releases, found: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = resolve("1.2.3", cold.folder, "toy")
    assert tree.origin == "released"
    assert resolve(str(tree.root), cold.folder, "toy").origin == "path"
    assert resolve(str(found / "toy-1.3.0-py3-none-any.whl"), cold.folder, "toy").version == "1.3.0"
    with pytest.raises(BadInput, match="'nowhere' is no such path: give 'installed', a release"):
        resolve("nowhere", cold.folder, "toy")
    monkeypatch.chdir(found.parent)
    (found.parent / "1.3.0").mkdir()  # a folder of that name is what was meant
    with pytest.raises(BadInput, match=r"1\.3\.0 holds no toy/"):
        resolve("1.3.0", cold.folder, "toy")
