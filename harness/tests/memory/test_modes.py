"""Modes without torch's guard against its own compiler, where that is switched off."""

from __future__ import annotations

from typing import Any

import pytest

from harness.memory.modes import Mode


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
