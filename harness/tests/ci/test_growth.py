"""What the measurement of growth makes of a run, and of several."""

from __future__ import annotations

import sys

import pytest

from ci.bench import growth
from ci.bench.growth import Cost

HOLDS = """
import os, time
held = bytearray(64 << 20)
if os.fork() == 0:
    sum(range(3_000_000))
    own = bytearray(32 << 20)
    time.sleep(1.5)
    os._exit(0)
os.wait()
"""


def test_the_cost_of_a_run_is_that_of_all_its_processes() -> None:
    found = growth.cost([sys.executable, "-c", HOLDS])
    assert 90 <= found.mib < 160  # what both share counts once
    assert found.cpu > 0.02 and found.wall >= 1.5


def test_a_run_that_fails_says_what_it_said() -> None:
    with pytest.raises(SystemExit, match=r"ended with 3: .*no luck"):
        growth.cost([sys.executable, "-c", "print('no luck'); raise SystemExit(3)"])


def test_medians_of_times_and_the_most_of_memory() -> None:
    costs = [Cost(1.0, 9.0, 5), Cost(3.0, 7.0, 4), Cost(2.0, 8.0, 6)]
    assert growth.medians(costs) == Cost(2.0, 8.0, 6)


def test_the_table_tells_what_one_more_costs() -> None:
    *rows, last = growth.table(
        "bugs", [2, 4, 6], [Cost(14.0, 8.0, 100), Cost(18.0, 9.0, 100), Cost(22.0, 9.0, 110)]
    )
    assert [row.split()[0] for row in rows] == ["bugs", "2", "4", "6"]
    assert last == "CPU: 10.0 s, and 2.00 s for each of the bugs"


def test_one_number_has_no_slope() -> None:
    assert len(growth.table("points", [8], [Cost(1.0, 1.0, 1)])) == 2


def test_bugs_are_taken_in_a_fixed_order() -> None:
    names = growth.bugs()
    assert names == sorted(names) and len(names) >= 18
    assert {"pr24587_aiter_kv_indices_page_size", "pr27779_swa_free_pages"} <= set(names)


def test_rows_of_the_cpu_are_neither_emulated_nor_compiled_for_a_gpu() -> None:
    named = ["pr23596_get_last_loc_int32_store", "pr27779_swa_free_pages"]
    found = {rows: growth.requests(rows, named) for rows in growth.Rows}
    of_cpu = [(one.reproducer.id, one.tier.value, one.platform) for one in found[growth.Rows.CPU]]
    assert of_cpu == [(name, "kernel", None) for name in named]
    platforms = {str(one.platform) for one in found[growth.Rows.ALL]}
    assert platforms >= {"None", "emulated-gfx942", "rocm-gfx942"}
