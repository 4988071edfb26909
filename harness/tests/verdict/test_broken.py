"""Exceptions that say that a revert is broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from harness.facts import ExpectedFault, Raised, faults
from harness.verdict.broken import broken

EDITED = ("Table.grow", "pages_needed")


def raised(call: Callable[[], object], *through: str) -> Raised:
    """What Python itself says of this call, as if raised below these functions of the tree."""
    with pytest.raises(Exception) as caught:
        call()
    return Raised(type=type(caught.value).__name__, message=str(caught.value), through=through)


def judged(one: Raised, expected: ExpectedFault | None = None) -> str | None:
    return broken(one, EDITED, lambda name: name == "known", expected)


def one_of_each(one: int, *, two: int) -> None:
    pass


MISBOUND: list[Callable[[], object]] = [
    lambda: one_of_each(two=1),  # type: ignore[call-arg]
    lambda: one_of_each(1),  # type: ignore[call-arg]
    lambda: one_of_each(1, 2, two=1),  # type: ignore[misc]
    lambda: one_of_each(1, one=1, two=1),  # type: ignore[misc]
    lambda: one_of_each(1, two=1, three=1),  # type: ignore[call-arg]
    lambda: int.bit_length(1, 2),  # type: ignore[call-arg]
    lambda: inspect.signature(one_of_each).bind(),
    lambda: inspect.signature(one_of_each).bind(1, 2, 3),
    lambda: inspect.signature(one_of_each).bind(1, two=1, three=1),
]


@pytest.mark.parametrize("call", MISBOUND)
def test_a_call_that_does_not_bind_counts_at_or_under_an_edited_function_alone(
    call: Callable[[], object],
) -> None:
    for through in (("Table.grow",), ("forward", "Table.grow", "fits"), ("grow",)):
        assert judged(raised(call, *through)) is not None
    assert judged(raised(call, "forward")) is None


def test_the_call_of_an_edited_function_counts_wherever_it_stands() -> None:
    told = "pages_needed() missing 1 required positional argument: 'size'"
    assert judged(Raised(type="TypeError", message=told, through=("forward",))) is not None


@pytest.mark.parametrize("kind", ["NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError"])
def test_a_name_that_is_gone_counts_at_or_under_an_edited_function_alone(kind: str) -> None:
    told = judged(Raised(type=kind, message="the name 'size'", through=("pages_needed",)))
    assert told == f"the revert is broken: {kind} in pages_needed: the name 'size'"
    assert judged(Raised(type=kind, message="the name 'size'", through=("forward",))) is None


def test_an_attribute_counts_if_nothing_in_the_tree_has_it() -> None:
    for owner in ("'Table' object", "module 'sglang.pages'", "type object 'Table'"):
        for where in ("forward", "Table.grow"):  # what is no longer set is missed elsewhere
            message = f"{owner} has no attribute "
            lost = Raised(type="AttributeError", message=f"{message}'lost'", through=(where,))
            assert judged(lost) is not None
            assert (
                judged(Raised(type="AttributeError", message=f"{message}'known'", through=(where,))) is None
            )


def test_none_where_there_should_be_a_value_is_a_bug_s_way_to_show() -> None:
    assert judged(raised(lambda: None.lost, "Table.grow")) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["RuntimeError", "TypeError", "KeyError"])
def test_any_other_exception_is_judged_as_it_is(kind: str) -> None:
    assert judged(Raised(type=kind, message="unsupported operand", through=("Table.grow",))) is None


def test_a_declared_exception_is_the_bug_and_no_other_is() -> None:
    lost = Raised(type="NameError", message="name 'size' is not defined", through=("Table.grow",))
    assert judged(lost, faults("exception", of="NameError")) is None
    assert judged(lost, faults("exception", of="NameError", says="'size'")) is None
    assert judged(lost, faults("exception", of="NameError", says="'rows'")) is not None
    assert judged(lost, faults("exception", of="KeyError")) is not None
    assert judged(lost, faults("exception")) is not None


def test_an_exception_is_read_out_of_a_fault_s_message() -> None:
    one = Raised.told("NameError in Table.grow: name 'size' is not defined")
    assert (one.type, one.message, one.through) == (
        "NameError",
        "name 'size' is not defined",
        ("Table.grow",),
    )
    assert Raised.told("KeyError: 'a'") == Raised(type="KeyError", message="'a'")
