"""Whose exception it was: the code under test's, the case's, or the machinery's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import BadInput, DeviceGone, StandInMisused, Unresolved
from harness.tiers.exceptions import as_fault

CODE = """
class Table:
    def grow(self, call):
        return call()

def wrapped(call):
    try:
        call()
    except Exception as error:
        raise RuntimeError(f"it failed: {error}") from error

def calls_back(call):
    inner(call)

def inner(call):
    call()

def breaks():
    raise KeyError("at 0x7ffde1")
"""


@pytest.fixture
def under_test(tmp_path: Path) -> ModuleType:
    """A module whose file lies below the tree's root, tmp_path."""
    (tmp_path / "code.py").write_text(CODE)
    spec = importlib.util.spec_from_file_location("code_under_test", tmp_path / "code.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raised(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_an_exception_of_the_code_under_test_names_its_function(
    under_test: ModuleType, tmp_path: Path
) -> None:
    fault = as_fault(raised(under_test.breaks), tmp_path)
    assert fault.signature == "exception (KeyError in breaks: 'at ADDR')"


def test_the_deepest_function_is_named_also_where_a_library_raised(
    under_test: ModuleType, tmp_path: Path
) -> None:
    called = raised(lambda: under_test.calls_back(raising(ValueError("3 is not 4"))))
    assert as_fault(called, tmp_path).message == "ValueError in inner: 3 is not 4"
    grown = raised(lambda: under_test.Table().grow(raising(ValueError("3 is not 4"))))
    assert as_fault(grown, tmp_path).message == "ValueError in Table.grow: 3 is not 4"


def test_an_exception_of_the_case_is_no_fault(tmp_path: Path) -> None:
    with pytest.raises(Unresolved, match=r"^the case itself failed: ValueError: wrong$"):
        as_fault(raised(raising(ValueError("wrong"))), tmp_path)


@pytest.mark.parametrize(
    "error", [Unresolved("lost"), StandInMisused("the runner stand-in was asked for 'x'")]
)
def test_a_failure_of_the_machinery_stays_one_even_wrapped(
    error: Exception, under_test: ModuleType, tmp_path: Path
) -> None:
    for call in (under_test.calls_back, under_test.wrapped):
        with pytest.raises(Unresolved, match=str(error)):
            as_fault(raised(lambda call=call: call(raising(error))), tmp_path)  # type: ignore[misc]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")],
)
def test_exhausted_memory_is_left_to_the_process(
    error: Exception, under_test: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(type(error)):
        as_fault(raised(lambda: under_test.calls_back(raising(error))), tmp_path)


def test_refused_parameters_pass_through(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="too many"):
        as_fault(raised(raising(BadInput("tokens: too many"))), tmp_path)


@pytest.mark.parametrize(
    ("error", "kernel"),
    [
        (DeviceGone("device-side assert triggered", "fill"), "fill"),
        (RuntimeError("CUDA error: device-side assert triggered\nCompile with"), None),
    ],
)
def test_what_ends_a_device_is_its_fault_whoever_was_told(
    error: Exception, kernel: str | None, under_test: ModuleType, tmp_path: Path
) -> None:
    for call in (raising(error), lambda: under_test.wrapped(raising(error))):
        fault = as_fault(raised(call), tmp_path)
        assert (fault.kind, fault.kernel) == ("device-fault", kernel)
        assert fault.message == "device-side assert triggered"
