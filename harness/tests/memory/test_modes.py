"""Modes without torch's guard against its own compiler, where that is switched off."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.memory.modes import Mode, unheeded


@pytest.mark.parametrize(("setting", "guarded"), [("1", False), ("0", True), (None, True)])
def test_torch_guards_a_mode_unless_its_compiler_is_off(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, guarded: bool
) -> None:
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    if setting is not None:
        monkeypatch.setenv("TORCHDYNAMO_DISABLE", setting)

    def dispatch(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))

    kind = type("Kind", (Mode,), {"__torch_dispatch__": dispatch})
    assert (vars(kind)["__torch_dispatch__"] is not dispatch) == guarded


class _Told(Mode):
    """Keeps the names of the operations that it is told of."""

    def __init__(self, heeds: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.heeds_oracle = heeds
        self.heard: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.heard.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("heeds", [False, True])
def test_modes_are_told_of_the_oracles_work_where_one_heeds_it(heeds: bool) -> None:
    outer, inner = _Told(heeds), _Told(False)
    with outer, inner:
        with unheeded():
            torch.ones(2) + 1
        torch.zeros(2)
    seen = ["ones", "add"] if heeds else []
    assert [outer.heard, inner.heard] == [[*seen, "zeros"]] * 2
