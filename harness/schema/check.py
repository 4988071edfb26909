"""Whether a value has the form that a JSON schema describes; knows the words that Refault's schemas use.

`jsonschema` would say the same, and a run must not depend on it: tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from harness.foreign import shown

Schema = Mapping[str, Any]
_Place = tuple[str | int, ...]
_WIDTH = 60
_TYPES: Mapping[str, Any] = {
    "string": str, "integer": int, "number": int | float,
    "object": dict, "array": list, "null": type(None),
}  # fmt: skip


def departure(value: Any, schema: Schema) -> str | None:
    """The first place where a value departs from a schema, in one line; None where it does nowhere."""
    found = next(_departures(value, schema, schema.get("$defs", {}), ()), None)
    return None if found is None else f"{_told(found[0])} {found[1]}"


_Found = Iterator[tuple[_Place, str]]


def _departures(value: Any, schema: Schema, parts: Schema, place: _Place) -> _Found:
    if reference := schema.get("$ref"):
        schema = parts[reference.rpartition("/")[2]]
    if "anyOf" in schema:
        yield from _any(value, schema["anyOf"], parts, place)
    for word, check in _CHECKS.items():
        if word in schema and (problem := check(value, schema[word])):
            yield place, problem
            return  # what it is made of is not looked at where it is another thing altogether
    if isinstance(value, dict):
        yield from _members(value, schema, parts, place)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _departures(item, schema["items"], parts, (*place, index))


def _any(value: Any, choices: list[Schema], parts: Schema, place: _Place) -> _Found:
    """What speaks against the first choice, which is the usual one, where every choice departs."""
    found = [list(_departures(value, one, parts, place)) for one in choices]
    if all(found):
        yield from found[0]


def _members(value: dict[str, Any], schema: Schema, parts: Schema, place: _Place) -> _Found:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield (*place, name), "is missing"
    for name, item in value.items():
        if name in known:
            yield from _departures(item, known[name], parts, (*place, name))
        elif isinstance(rest := schema.get("additionalProperties", True), Mapping):
            yield from _departures(item, rest, parts, (*place, name))
        elif not rest:
            yield (*place, name), "is not known"


# --- the words of a schema, each with what it says against a value -----------------------------


def _type(value: Any, wanted: str | list[str]) -> str | None:
    names = [wanted] if isinstance(wanted, str) else wanted
    return None if any(_is(value, name) for name in names) else f"is {_a(value)}, not {' or '.join(names)}"


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):  # which Python takes for an integer
        return name == "boolean"
    return name in _TYPES and isinstance(value, _TYPES[name])


def _a(value: Any) -> str:
    return f"{shown(repr(value), _WIDTH)}" if not isinstance(value, dict | list) else type(value).__name__


def _enum(value: Any, wanted: list[Any]) -> str | None:
    known = any(value == one and type(value) is type(one) for one in wanted)
    return None if known else f"is {_a(value)}, not one of {', '.join(map(str, wanted))}"


def _const(value: Any, wanted: Any) -> str | None:
    return _enum(value, [wanted])


def _pattern(value: Any, wanted: str) -> str | None:
    fits = not isinstance(value, str) or _compiled(wanted).search(value)
    return None if fits else f"is {_a(value)}, which does not fit {wanted!r}"


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern)


def _minimum(value: Any, wanted: float) -> str | None:
    below = isinstance(value, int | float) and value < wanted
    return f"is {_a(value)}, less than {wanted}" if below else None


def _maximum(value: Any, wanted: float) -> str | None:
    above = isinstance(value, int | float) and value > wanted
    return f"is {_a(value)}, more than {wanted}" if above else None


def _few(value: Any, wanted: int) -> str | None:
    return f"has fewer than {wanted}" if isinstance(value, list) and len(value) < wanted else None


def _format(value: Any, wanted: str) -> str | None:
    if wanted != "date-time" or not isinstance(value, str):
        return None
    try:
        dated = datetime.fromisoformat(value)
    except ValueError:
        return f"is {_a(value)}, no date and time"
    return None if dated.tzinfo else f"is {_a(value)}, without a time zone"


_CHECKS: Mapping[str, Callable[[Any, Any], str | None]] = {
    "type": _type, "enum": _enum, "const": _const, "pattern": _pattern, "minimum": _minimum,
    "maximum": _maximum, "minItems": _few, "format": _format,
}  # fmt: skip


def _told(place: _Place) -> str:
    """A place as a person would write it: `results[0].arms.fixed`."""
    words = (f"[{part}]" if isinstance(part, int) else f".{shown(part, _WIDTH)}" for part in place)
    return "".join(words).lstrip(".") or "the document"
