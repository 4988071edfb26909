from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.device.memory import ALIGNMENT, AllocatorSource, GuardedSource
from harness.memory.device.zones import RED_ZONE_BYTES
from harness.tests.memory.device.pages import Pages

CPU = torch.device("cpu")
OVERFLOW = """
import ctypes
import sys
import torch
from harness.memory.device.memory import GuardedSource
from harness.tests.memory.device.pages import Pages
region = GuardedSource(torch.device("cpu"), Pages()).take(64)
ctypes.memset(region.address + int(sys.argv[1]), 7, 1)
print("written")
"""


@given(st.integers(1, 10_000))
def test_a_guarded_region_ends_where_its_pages_end(nbytes: int) -> None:
    pages = Pages()
    region = GuardedSource(CPU, pages).take(nbytes)
    assert region.guard is not None
    end = region.address + nbytes + region.behind
    assert end == region.guard[0] and end % pages.granularity == 0
    assert region.behind < ALIGNMENT and region.address % ALIGNMENT == 0
    region.view(-RED_ZONE_BYTES, RED_ZONE_BYTES + nbytes + region.behind).fill_(1)
    region.close()
    assert not pages.held


@pytest.mark.parametrize(("place", "code", "said"), [(63, 0, "written\n"), (64, -11, "")])
def test_the_first_byte_behind_a_guarded_region_faults(place: int, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OVERFLOW, str(place)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, said), done.stderr


@given(st.integers(1, 5000), st.sampled_from([RED_ZONE_BYTES, 4096]))
def test_a_region_of_the_allocators_has_room_on_both_sides(nbytes: int, behind: int) -> None:
    region = AllocatorSource(CPU, behind).take(nbytes)
    assert region.behind == behind and region.guard is None
    region.view(-RED_ZONE_BYTES, RED_ZONE_BYTES + nbytes + behind).fill_(1)


def test_a_view_keeps_what_owns_it_alive() -> None:
    class Owner:
        ended = False

        def __del__(self) -> None:
            type(self).ended = True

    view = AllocatorSource(CPU).take(8).view(0, 8, Owner())
    assert not Owner.ended
    del view
    assert Owner.ended
