"""The map shows the two quantities that decide."""

from __future__ import annotations

import itertools

from harness.observation import Fault
from harness.sweep.chart import BINS, chart
from harness.sweep.outcomes import Outcome, Seen

STRAY = Fault(kind="oob-write")


def outcome(bites: bool, **params: object) -> Outcome:
    return Outcome(params, {"fixed": Seen(), "reverted": Seen((STRAY,) if bites else ())})


def test_the_axes_are_those_that_decide() -> None:
    every = itertools.product((1, 2, 4), (1, 3, 5), ("a", "b"))
    made = chart(
        [outcome(page * length > 6, page=page, length=length, mode=mode) for page, length, mode in every]
    )
    assert made is not None and {made.down, made.across} == {"page", "length"}
    cells = {
        (row, column): cell
        for row, line in zip(made.rows, made.cells, strict=True)
        for column, cell in zip(made.columns, line, strict=True)
    }
    flipped = made.down == "length"
    assert cells[("3", "4") if flipped else ("4", "3")] == (2, 2)
    assert cells[("3", "2") if flipped else ("2", "3")] == (0, 2)


def test_a_list_counts_by_its_sum_its_length_and_its_largest() -> None:
    lists = list(itertools.product((1, 2, 3), repeat=2))
    made = chart([outcome(sum(lens) > 4, lens=lens, page=page) for lens in lists for page in (1, 2)])
    assert made is not None and made.down == "sum(lens)" and made.rows == ("2", "3", "4", "5", "6")


def test_many_values_become_few_ranges() -> None:
    made = chart([outcome(number > 50, number=number) for number in range(100)])
    assert made is not None and made.down == "number" and len(made.rows) == BINS
    assert made.rows[0] == "0-11" and sum(points for row in made.cells for _, points in row) == 100


def test_one_quantity_alone_has_one_column() -> None:
    made = chart([outcome(page > 1, page=page) for page in (1, 2)])
    assert made is not None and (made.down, made.across, made.columns) == ("page", "", ("",))
    assert made.cells == (((0, 1),), ((1, 1),))


def test_nothing_varies_no_map() -> None:
    assert chart([outcome(True, page=1)]) is None
