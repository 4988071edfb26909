"""What a transaction keeps of programs' reads, and takes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.memory.grid import transaction
from harness.memory.grid.habits import Habit
from harness.memory.grid.records import Access
from harness.memory.grid.transaction import Transaction
from harness.memory.launch import Launch
from harness.memory.names import Bindings
from harness.memory.windows import Argument

PROGRAMS = np.arange(2)


def accessed(argument: Argument, writes: bool = False) -> Access:
    """The first two elements, one of each program."""
    addresses = np.array([argument.real, argument.real + 4], dtype=np.uint64)
    ends = argument.real, argument.real + 8
    return Access((argument,), addresses, np.ones(2, dtype=bool), 4, writes, *ends)


def test_a_roll_back_after_reads_were_let_go_leaves_those_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, read = (Argument(name, torch.zeros(2), name) for name in ("written", "read"))
    launch = Launch("kernel", "file", [2], {}, [written, read], Bindings(None))
    done = Transaction(launch, Habit())
    done.begin(PROGRAMS)
    for one in (accessed(read), accessed(written, writes=True), accessed(read), accessed(written)):
        done.access(one)
    done.begin(PROGRAMS)
    monkeypatch.setattr(transaction, "MOST_KEPT", 80)
    done.access(accessed(read))  # one too many
    assert [access.arguments for _, access in done._reads] == [(written,)]
    done.access(accessed(written))
    assert len(done._reads) == 2
    done.roll_back()
    assert [access.arguments for _, access in done._reads] == [(written,)]
