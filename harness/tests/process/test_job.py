"""What may be asked of an arm, and the files between it and the pool."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.process.job import Environment, Files, Job, read_json, write_json
from harness.process.limits import Limits


def _job(**changes: Any) -> Job:
    facts = {"entry": "a.b:c", "payload": {}, "folder": Path("x"), "limits": Limits(1, 1)}
    return Job(**{**facts, **changes})


@pytest.mark.parametrize("entry", ["", "a.b", "a:b:c", "a/b:c", ":c", "a:", "a:b.c"])
def test_an_entry_must_name_module_and_function(entry: str) -> None:
    with pytest.raises(BadInput, match="write module:function"):
        _job(entry=entry)


def test_a_payload_must_be_json() -> None:
    with pytest.raises(BadInput, match=r"payload of a\.b:c is no JSON"):
        _job(payload={"pages": {1, 2}})


def test_the_folder_does_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _job().folder == tmp_path / "x"


def test_environments_share_a_fork_server_by_variables_and_names_not_by_preload() -> None:
    one = Environment(variables={"A": "1", "B": None}, preload=("json",), arm_only=frozenset({"x", "y"}))
    same = Environment(variables={"B": None, "A": "1"}, preload=("decimal",), arm_only=frozenset({"y", "x"}))
    assert one.key == same.key
    assert one.key != Environment(variables={"A": "1"}, arm_only=one.arm_only).key
    assert one.key != Environment(variables=one.variables, arm_only=frozenset({"x"})).key


def test_what_an_earlier_arm_left_is_taken_away(tmp_path: Path) -> None:
    files = Files(tmp_path / "new" / "arm")
    files.clear()
    for path in (files.result, files.error, files.log, files.answers, files.told):
        path.write_text("{}")
    (files.folder / "mine.bin").write_text("stays")
    files.clear()
    assert [path.name for path in files.folder.iterdir()] == ["mine.bin"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(data=_JSON)
def test_a_file_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_json(path, data)
    assert read_json(path) == data
    assert not list(path.parent.glob("round.json.*"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert read_json(path) == {"old": 1}
    assert read_json(tmp_path / "missing.json") is None
