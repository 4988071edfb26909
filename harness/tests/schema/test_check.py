"""The check of a form: it says what jsonschema says, in one line that names the place."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest

from harness.documents.schema import schema
from harness.schema import departure
from harness.tests.report.runs import lost, passing, regressed, told, unsupported

ODD: tuple[Any, ...] = (None, True, -1, 0.5, 10**400, "", "x\ny", [], [1], {}, {"event": 1})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the data with another value in this place."""
    if not path:
        return value
    changed = copy.deepcopy(data)
    inside = changed
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value
    return changed


@pytest.mark.parametrize("made", [passing, regressed, lost, unsupported])
def test_what_is_written_has_its_form(made: Any) -> None:
    assert departure(told(made()), schema()) is None


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_it_agrees_with_jsonschema(odd: Any) -> None:
    """An odd value in each place of a document in turn. Dates alone are looked at more closely here."""
    judge, whole = jsonschema.Draft202012Validator(schema()), told(regressed())
    for path in places(whole):
        changed = put(whole, path, odd)
        ours = departure(changed, schema())
        theirs = judge.is_valid(changed)
        assert path == ("at",) or (ours is None) is theirs, (path, ours)
        assert ours is None or len(ours.splitlines()) == 1


def test_no_key_may_be_missing() -> None:
    judge, whole = jsonschema.Draft202012Validator(schema()), told(regressed())
    for path in places(whole):
        if path and isinstance(path[-1], str):
            changed = put(whole, path, None)
            inside = changed
            for part in path[:-1]:
                inside = inside[part]
            del inside[path[-1]]
            assert (departure(changed, schema()) is None) is judge.is_valid(changed), path


@pytest.mark.parametrize(
    ("value", "form", "says"),
    [
        (True, {"type": "integer"}, "the document is True, not integer"),
        (1, {"const": True}, "the document is 1, not one of True"),
        ("ab\n", {"pattern": "^[a-z]*$"}, "which does not fit"),
        ([1], {"minItems": 2}, "has fewer than 2"),
        ({"a": [{}]}, {"properties": {"a": {"items": {"required": ["b"]}}}}, "a[0].b is missing"),
        ({"\x1b[31m": 1}, {"additionalProperties": False}, r"\x1b[31m is not known"),
        ("2026-02-30T00:00:00+00:00", {"format": "date-time"}, "no date and time"),
    ],
)
def test_what_it_says(value: Any, form: dict[str, Any], says: str) -> None:
    assert says in str(departure(value, form))
