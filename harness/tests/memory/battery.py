"""Planted programs, each with its correct twin: what the memory oracle has to find, and nothing else.

A program is a function of `planted`: with True it has the defect, with False it is the same
code without it. It is written as code under test would be, and knows nothing of the oracle.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from harness.facts import Tolerance
from harness.memory.lanes import UNKNOWN
from harness.memory.oracle import Oracle
from harness.memory.outputs import compare, joined
from harness.memory.poison import Pattern, Poison
from harness.memory.stores import Stores
from harness.memory.undefined import UNINITIALISED, dependent, kept
from harness.observation import Fault
from harness.tests.memory import battery_kernels as kernels
from harness.tiers.exceptions import as_fault

ROOT = Path(__file__).parent
EXACT = Tolerance(absolute=1e-6, relative=1e-6, reason="sums of a few numbers of like size")

GAP = "between the rows of the slice that was passed"
WILD = 0x5EADDEADDEADDEAD - (1 << 62)
"""Poison as an index of four-byte elements: its address wraps at 2**64."""

Outputs = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """One entry of the battery. `kernels` are the Triton kernels it launches."""

    name: str
    plants: str
    run: Callable[[bool], Outputs]
    expected: tuple[Fault, ...]
    kernels: tuple[str, ...] = ()
    reference: Callable[[], Outputs] | None = None


def faults_of(program: Program, planted: bool) -> list[Fault]:
    """Everything the oracle has to say of one run of a program, and of those under other poison."""
    oracle = Oracle()
    try:
        outputs = _outputs(program, planted, oracle)
    except Exception as error:  # noqa: BLE001 - it becomes a fault, or Unresolved is raised
        return [*oracle.violations.faults(), as_fault(error, ROOT)]

    def again(pattern: Pattern) -> Outputs | None:
        try:
            return kept(_outputs(program, planted, Oracle(poison=Poison(pattern), traced=False)))
        except Exception as error:  # noqa: BLE001 - as above
            as_fault(error, ROOT)
            return None

    depends = dependent(kept(outputs), again).faults if oracle.poison.drawn else ()
    wanted = program.reference() if program.reference else {}
    compared = [compare(name, outputs[name], expected, EXACT).faults for name, expected in wanted.items()]
    return [*oracle.violations.faults(), *joined(depends, itertools.chain.from_iterable(compared))]


def ways_of(program: Program, planted: bool) -> Mapping[str, int]:
    """The launches of one run of a program, by how their programs ran; Unresolved where ways differ."""
    oracle = Oracle(stores=Stores())
    try:
        _outputs(program, planted, oracle)
    except Exception as error:  # noqa: BLE001 - Unresolved is raised again, and what is planted may end a run
        as_fault(error, ROOT)
    return oracle.ran


def _outputs(program: Program, planted: bool, oracle: Oracle) -> Outputs:
    torch.manual_seed(0)
    with oracle.calling(ROOT), oracle.watching(ROOT, entered=lambda kernel: None):
        outputs = program.run(planted)
    oracle.returned(outputs)
    return outputs


PROGRAMS: list[Program] = []

Run = Callable[[bool], Outputs]


def planted(
    plants: str, *expected: Fault, kernels: str = "", reference: Callable[[], Outputs] | None = None
) -> Callable[[Run], Run]:
    """Enter a function into the battery."""

    def enter(run: Run) -> Run:
        PROGRAMS.append(Program(run.__name__, plants, run, expected, tuple(kernels.split()), reference))
        return run

    return enter


def wrote(buffer: str, kernel: str | None, numel: int, first: int, last: int, count: int) -> Fault:
    return Fault(
        kind="oob-write", buffer=buffer, kernel=kernel, numel=numel, first=first, last=last, count=count
    )


def read(buffer: str, kernel: str, numel: int, first: int, last: int, count: int) -> Fault:
    return Fault(
        kind="oob-read", buffer=buffer, kernel=kernel, numel=numel, first=first, last=last, count=count
    )


def index(buffer: str, kernel: str, numel: int, first: int, last: int, count: int) -> Fault:
    return Fault(
        kind="index-range", buffer=buffer, kernel=kernel, numel=numel, first=first, last=last, count=count
    )


def wrong(buffer: str, numel: int, first: int, last: int, count: int) -> Fault:
    return Fault(kind="wrong-value", buffer=buffer, numel=numel, first=first, last=last, count=count)


def tainted(buffer: str, numel: int, first: int, last: int, count: int, kind: str = "nan") -> Fault:
    """An output that depends on poison: `nan` in floats, `wrong-value` in integers."""
    numbers = wrong(buffer, numel, first, last, count)
    return replace(numbers, kind=kind, message=UNINITIALISED)


# --- Triton: what leaves a buffer ------------------------------------------------------------


@planted("length of another buffer", wrote("out", "fill", 20, 20, 25, 6), kernels="fill")
def store_past_the_end(planted: bool) -> Outputs:
    out = torch.zeros(20, dtype=torch.int32)
    kernels.fill[(2,)](out, 26 if planted else 20, BLOCK=16)
    return {"out": out}


@planted(
    "no mask on the last block",
    wrote("out", "fill_unmasked", 20, 20, 31, 12),
    kernels="fill_unmasked",
)
def store_without_mask(planted: bool) -> Outputs:
    out = torch.zeros(20 if planted else 32, dtype=torch.int64)
    kernels.fill_unmasked[(2,)](out, BLOCK=16)
    return {"out": out}


@planted(
    "negative offset",
    read("source", "shift", 8, -3, -1, 3),
    tainted("out", 8, 0, 2, 3, "wrong-value"),
    kernels="shift",
)
def load_before_the_start(planted: bool) -> Outputs:
    source, out = torch.arange(8, dtype=torch.int32), torch.zeros(8, dtype=torch.int32)
    kernels.shift[(1,)](out, source, 8, -3 if planted else 0, BLOCK=8)
    return {"out": out}


@planted(
    "index past the table",
    read("table", "take_rows", 32, 40, 47, 8),
    tainted("out", 16, 8, 15, 8),
    kernels="take_rows",
)
def load_row_past_the_table(planted: bool) -> Outputs:
    table, out = torch.rand(4, 8), torch.zeros(2, 8)
    rows = torch.tensor([1, 5 if planted else 3])
    kernels.take_rows[(2,)](out, table, rows, 8, BLOCK=8)
    return {"out": out}


@planted("write into the neighbour in a pool", wrote("keys", "fill", 16, 16, 19, 4), kernels="fill")
def store_into_the_neighbour(planted: bool) -> Outputs:
    pool = torch.zeros(64, dtype=torch.int32)
    keys, values = pool[:16], pool[16:32]
    kernels.fill[(2,)](keys, 20 if planted else 16, BLOCK=16)
    return {"keys": keys, "values": values}


@planted(
    "bad index on the second launch of the same shapes",
    wrote("table", "put_rows", 32, 32, 39, 8),
    kernels="put_rows",
)
def store_stray_on_second_launch(planted: bool) -> Outputs:
    table, values = torch.zeros(4, 8), torch.ones(2, 8)
    rows = torch.zeros(2, dtype=torch.int64)  # one static buffer, as for a graph that is replayed
    for indices in ((0, 1), (4 if planted else 3, 2)):
        rows.copy_(torch.tensor(indices))
        kernels.put_rows[(2,)](table, rows, values, 8, BLOCK=8)
    return {"table": table}


@planted(
    "columns of the neighbouring slice",
    replace(read("left", "copy_tile", 28, 4, 21, 6), message=GAP),
    read("left", "copy_tile", 28, 28, 29, 2),
    tainted("out", 24, 4, 23, 8),
    kernels="copy_tile",
)
def load_between_rows(planted: bool) -> Outputs:
    both = torch.rand(4, 8)
    left, columns = both[:, :4], 6 if planted else 4
    out = torch.zeros(4, columns)
    kernels.copy_tile[(1,)](out, left, 4, columns, out.stride(0), left.stride(0), BLOCK=8)
    return {"out": out}


@planted(
    "rows and columns exchanged in the mask",
    wrote("out", "copy_tile", 12, 12, 18, 6),
    read("source", "copy_tile", 12, 12, 18, 6),
    kernels="copy_tile",
)
def copy_with_exchanged_mask(planted: bool) -> Outputs:
    source, out = torch.rand(3, 4), torch.zeros(3, 4)
    rows, columns = (4, 3) if planted else (3, 4)
    stride = 4
    kernels.copy_tile[(1,)](out, source, rows + planted, columns, stride, stride, BLOCK=8)
    return {"out": out}


@planted(
    "block pointer without boundary check",
    read("source", "copy_block", 20, 20, 23, 4),
    wrote("out", "copy_block", 20, 20, 23, 4),
    kernels="copy_block",
)
def copy_block_unchecked(planted: bool) -> Outputs:
    source, out = torch.rand(20), torch.zeros(20)
    kernels.copy_block[(1,)](out, source, 20, 8, BLOCK=16, CHECKED=not planted)
    return {"out": out}


@planted(
    "tensor descriptor of too many rows",
    read("source", "copy_described", 24, 24, 31, 8),
    wrote("out", "copy_described", 24, 24, 31, 8),
    kernels="copy_described",
)
def copy_described_too_large(planted: bool) -> Outputs:
    source, out = torch.rand(6, 4), torch.zeros(6, 4)
    kernels.copy_described[(1,)](out, source, 8 if planted else 6, 4, BLOCK=8)
    return {"out": out}


@planted("atomic add past the counters", wrote("counters", "count", 4, 4, 7, 2), kernels="count")
def count_stray_keys(planted: bool) -> Outputs:
    counters = torch.zeros(4, dtype=torch.int32)
    keys = torch.tensor([0, 1, 4, 7, 7] if planted else [0, 1, 2, 3, 3], dtype=torch.int32)
    kernels.count[(1,)](counters, keys, 5, BLOCK=8)
    return {"counters": counters}


@planted("compare-and-swap past the slots", wrote("slots", "claim", 4, 4, 5, 2), kernels="claim")
def claim_stray_slot(planted: bool) -> Outputs:
    slots = torch.zeros(4, dtype=torch.int32)
    kernels.claim[(3,)](slots, 3 if planted else 1)
    return {"slots": slots}


@planted(
    "atomic exchange with a mask too wide",
    wrote("slots", "exchange", 5, 5, 7, 3),
    kernels="exchange",
)
def exchange_past_the_end(planted: bool) -> Outputs:
    slots = torch.zeros(5, dtype=torch.int32)
    kernels.exchange[(1,)](slots, 8 if planted else 5, BLOCK=8)
    return {"slots": slots}


@planted("one scalar past the end", wrote("flag", "store_one", 1, 1, 1, 1), kernels="store_one")
def store_scalar_past_the_end(planted: bool) -> Outputs:
    flag = torch.zeros((), dtype=torch.int32)
    kernels.store_one[(1,)](flag, int(planted), 7)
    return {"flag": flag}


@planted(
    "one buffer behind a table of addresses is short",
    wrote("layers[1]", "fill_tables", 8, 8, 11, 4),
    kernels="fill_tables",
)
def store_through_addresses(planted: bool) -> Outputs:
    layers = [torch.zeros(12), torch.zeros(8 if planted else 12), torch.zeros(12)]
    addresses = torch.tensor([layer.data_ptr() for layer in layers])
    kernels.fill_tables[(3,)](addresses, 12, BLOCK=16)
    return {"layers": layers}


@planted(
    "an address of memory that is gone",
    Fault(kind="oob-write", kernel="fill_tables", message=UNKNOWN),
    kernels="fill_tables",
)
def store_through_stale_address(planted: bool) -> Outputs:
    buffer = torch.zeros(16)
    addresses = torch.tensor([buffer.data_ptr()])
    if planted:
        del buffer
    kernels.fill_tables[(1,)](addresses, 16, BLOCK=16)
    return {"addresses": addresses.shape[0]}


@planted("pointer cast to a wider type", wrote("out", "fill_wide", 4, 4, 7, 4), kernels="fill_wide")
def store_through_wide_pointer(planted: bool) -> Outputs:
    out = torch.zeros(8 if planted else 16, dtype=torch.int32)
    kernels.fill_wide[(1,)](out, 8, BLOCK=8)
    return {"out": out}


@planted(
    "byte length taken for elements, through a byte pointer",
    wrote("out", "fill_bytes", 16, 16, 19, 4),
    kernels="fill_bytes",
)
def store_through_byte_pointer(planted: bool) -> Outputs:
    out = torch.zeros(4, dtype=torch.int32)
    kernels.fill_bytes[(1,)](out, 20 if planted else 16, BLOCK=32)
    return {"out": out}


@planted(
    "the same tensor twice, read past its end",
    read("both", "shift", 8, 8, 9, 2),
    tainted("both", 8, 6, 7, 2, "wrong-value"),
    kernels="shift",
)
def shift_in_place(planted: bool) -> Outputs:
    both = torch.arange(8, dtype=torch.int64)
    kernels.shift[(1,)](both, both, 8 if planted else 6, 2, BLOCK=8)
    return {"both": both}


@planted("a tensor without elements", wrote("nothing", "fill", 0, 0, 0, 1), kernels="fill")
def store_into_nothing(planted: bool) -> Outputs:
    nothing = torch.zeros(0, dtype=torch.int32)
    kernels.fill[(1,)](nothing, int(planted), BLOCK=16)
    return {"numel": nothing.numel()}


@planted(
    "an index as wild as a lost pointer",
    wrote("out", "store_one", 8, 1 << 45, 1 << 45, 1),
    kernels="store_one",
)
def store_at_wild_index(planted: bool) -> Outputs:
    out = torch.zeros(8, dtype=torch.int64)
    kernels.store_one[(1,)](out, 1 << 45 if planted else 7, 1)
    return {"out": out}


@planted(
    "an index read past its own table",
    read("links", "chase", 4, 4, 5, 2),
    wrote("out", "chase", 8, WILD, WILD, 1),
    tainted("out", 8, 0, 0, 1, "wrong-value"),
    kernels="chase",
)
def chase_stray_links(planted: bool) -> Outputs:
    links, out = torch.tensor([3, 1, 0, 2]), torch.zeros(8, dtype=torch.int32)
    kernels.chase[(1,)](out, links, 6 if planted else 4, BLOCK=8)
    return {"out": out}


@planted(
    "one page too many",
    read("pages", "sum_pages", 16, 16, 19, 4),
    tainted("out", 4, 0, 3, 4),
    kernels="sum_pages",
)
def sum_one_page_too_many(planted: bool) -> Outputs:
    pages, out = torch.ones(4, 4), torch.zeros(4)
    kernels.sum_pages[(1,)](out, pages, 5 if planted else 4, PAGE=4)
    return {"out": out}


@planted(
    "a loop whose bound was read from past its table",
    read("lengths", "sum_length", 1, 1, 1, 1),
    read("values", "sum_length", 4, 4, 16387, 16384),
    Fault(kind="hang", message="sum_length: stopped after 4096 accesses in a row that were all stray"),
    kernels="sum_length",
)
def loop_to_a_stray_bound(planted: bool) -> Outputs:
    values, lengths, out = torch.ones(4), torch.tensor([4]), torch.zeros(2, 4)
    kernels.sum_length[(2 if planted else 1,)](out, values, lengths, BLOCK=4)
    return {"out": out[:1]}


@planted(
    "an assertion of the kernel's own",
    Fault(kind="exception", message="AssertionError in fill_asserted: too many elements"),
    kernels="fill_asserted",
)
def break_an_assertion(planted: bool) -> Outputs:
    out = torch.zeros(8, dtype=torch.int32)
    kernels.fill_asserted[(1,)](out, 12 if planted else 8, 8, BLOCK=16)
    return {"out": out}


@planted(
    "row stride of another table, in a helper", wrote("out", "fill_rows", 16, 18, 21, 4), kernels="fill_rows"
)
def store_in_helper(planted: bool) -> Outputs:
    out = torch.zeros(4, 4, dtype=torch.int32)
    kernels.fill_rows[(4,)](out, 6 if planted else 4, BLOCK=4)
    return {"out": out}


@planted(
    "the second of two tensors in a tuple is short",
    wrote("short", "fill_pair", 6, 6, 7, 2),
    kernels="fill_pair",
)
def store_through_tuple(planted: bool) -> Outputs:
    full, short = torch.zeros(8, dtype=torch.int32), torch.zeros(6 if planted else 8, dtype=torch.int32)
    kernels.fill_pair[(1,)]((full, short), 8, BLOCK=8)
    return {"full": full, "short": short}


@planted("arguments by keyword, length too large", wrote("out", "fill", 8, 8, 9, 2), kernels="fill")
def store_by_keyword(planted: bool) -> Outputs:
    out = torch.zeros(8, dtype=torch.int32)
    kernels.fill[(1,)](n=10 if planted else 8, out=out, BLOCK=16)
    return {"out": out}


@planted(
    "counting down past the first element",
    read("source", "reverse", 6, -2, -1, 2),
    tainted("out", 8, 6, 7, 2, "wrong-value"),
    kernels="reverse",
)
def reverse_too_far(planted: bool) -> Outputs:
    source, out = torch.arange(6, dtype=torch.int32), torch.zeros(8, dtype=torch.int32)
    kernels.reverse[(1,)](out, source, 8 if planted else 6, 5, BLOCK=8)
    return {"out": out}


# --- Triton: what stays inside and is wrong all the same ---------------------------------------


def _second_row() -> Outputs:
    return {"out": torch.arange(8, 16, dtype=torch.float64).reshape(1, 8)}


@planted(
    "in-range read of the wrong slot", wrong("out", 8, 0, 7, 8), kernels="take_rows", reference=_second_row
)
def load_the_wrong_slot(planted: bool) -> Outputs:
    table, out = torch.arange(32, dtype=torch.float32).reshape(4, 8), torch.zeros(1, 8)
    rows = torch.tensor([2 if planted else 1])
    kernels.take_rows[(1,)](out, table, rows, 8, BLOCK=8)
    return {"out": out}


@planted(
    "index leaves its row, not its tensor",
    wrong("out", 8, 5, 7, 3),
    kernels="shift",
    reference=lambda: {"out": torch.tensor([3.0, 4, 5, 6, 7, 0, 0, 0])},
)
def load_past_the_row(planted: bool) -> Outputs:
    rows, out = torch.arange(32, dtype=torch.float32).reshape(4, 8), torch.zeros(8)
    kernels.shift[(1,)](out, rows, 8 if planted else 5, 3, BLOCK=8)
    return {"out": out}


@planted("sum onto memory that was never written", tainted("out", 8, 0, 7, 8), kernels="accumulate")
def accumulate_onto_empty(planted: bool) -> Outputs:
    source = torch.ones(8)
    out = torch.empty(8) if planted else torch.zeros(8)
    kernels.accumulate[(1,)](out, source, 8, BLOCK=8)
    return {"out": out}


@planted("tail of an empty buffer never written", tainted("out", 8, 6, 7, 2, "wrong-value"), kernels="fill")
def leave_the_tail_empty(planted: bool) -> Outputs:
    out = torch.empty(8, dtype=torch.int32)
    kernels.fill[(1,)](out, 6 if planted else 8, BLOCK=8)
    return {"out": out}


# --- torch: indices ------------------------------------------------------------------------


@planted("scatter into the next row", index("table", "scatter_", 4, 4, 5, 2))
def scatter_into_next_row(planted: bool) -> Outputs:
    table = torch.zeros(3, 4)
    columns = torch.tensor([[0, 4], [1, 5]]) if planted else torch.tensor([[0, 3], [1, 2]])
    table.scatter_(1, columns, 1.0)
    return {"table": table}


@planted(
    "scatter out of the last row",
    index("table", "scatter_", 4, 5, 5, 3),
    wrote("table", "scatter_", 12, 13, 13, 1),
)
def scatter_out_of_the_table(planted: bool) -> Outputs:
    table = torch.zeros(3, 4, dtype=torch.int32)
    columns = torch.full((3, 1), 5 if planted else 2)
    table.scatter_(1, columns, torch.ones(3, 1, dtype=torch.int32))
    return {"table": table}


@planted(
    "scatter with a sum, stray by one",
    index("sums", "scatter_add_", 4, 4, 4, 2),
    wrote("sums", "scatter_add_", 4, 4, 4, 1),
)
def scatter_add_past_the_end(planted: bool) -> Outputs:
    sums = torch.zeros(4)
    keys = torch.tensor([0, 4, 4]) if planted else torch.tensor([0, 3, 3])
    sums.scatter_add_(0, keys, torch.ones(3))
    return {"sums": sums}


@planted("scatter with a maximum, out of place", index("values", "scatter_reduce", 2, 2, 2, 1))
def scatter_reduce_into_next_row(planted: bool) -> Outputs:
    values = torch.zeros(2, 2)
    columns = torch.tensor([[2 if planted else 1], [0]])
    return {"most": values.scatter_reduce(1, columns, torch.ones(2, 1), reduce="amax")}


@planted(
    "gather from past the row",
    index("table", "gather", 4, 4, 6, 2),
    read("table", "gather", 12, 14, 14, 1),
    tainted("chosen", 3, 2, 2, 1),
)
def gather_past_the_row(planted: bool) -> Outputs:
    table = torch.rand(3, 4)
    columns = torch.tensor([[4], [1], [6]]) if planted else torch.tensor([[3], [1], [2]])
    return {"chosen": table.gather(1, columns)}


@planted(
    "index_select of a row that is not there",
    index("table", "index_select", 3, 3, 3, 1),
    read("table", "index_select", 6, 6, 7, 2),
    tainted("rows", 4, 2, 3, 2),
)
def select_past_the_table(planted: bool) -> Outputs:
    table = torch.rand(3, 2)
    return {"rows": table.index_select(0, torch.tensor([0, 3 if planted else 2]))}


@planted(
    "index_select into a given tensor, negative",
    index("table", "index_select", 3, -1, -1, 1),
    read("table", "index_select", 6, -2, -1, 2),
    tainted("rows", 4, 2, 3, 2),
)
def select_before_the_table(planted: bool) -> Outputs:
    table, rows = torch.rand(3, 2), torch.zeros(2, 2)
    torch.index_select(table, 0, torch.tensor([0, -1 if planted else 2]), out=rows)
    return {"rows": rows}


@planted(
    "index_copy_ past the end",
    index("table", "index_copy_", 3, 4, 4, 1),
    wrote("table", "index_copy_", 6, 8, 9, 2),
)
def copy_rows_past_the_end(planted: bool) -> Outputs:
    table = torch.zeros(3, 2)
    table.index_copy_(0, torch.tensor([1, 4 if planted else 2]), torch.ones(2, 2))
    return {"table": table}


@planted(
    "index_add_ along columns into the next row",
    index("table", "index_add_", 3, 3, 3, 1),
    wrote("table", "index_add_", 6, 6, 6, 1),
)
def add_columns_past_the_row(planted: bool) -> Outputs:
    table = torch.zeros(2, 3)
    table.index_add_(1, torch.tensor([3 if planted else 1]), torch.ones(2, 1))
    return {"table": table}


@planted(
    "index_fill_ below the first row",
    index("table", "index_fill_", 3, -4, -4, 1),
    wrote("table", "index_fill_", 6, -2, -1, 2),
)
def fill_rows_before_the_start(planted: bool) -> Outputs:
    table = torch.zeros(3, 2)
    table.index_fill_(0, torch.tensor([0, -4 if planted else -3]), 5.0)
    return {"table": table}


@planted(
    "index_reduce_ past the end",
    index("table", "index_reduce_", 2, 3, 3, 1),
    wrote("table", "index_reduce_", 4, 6, 7, 2),
)
def reduce_rows_past_the_end(planted: bool) -> Outputs:
    table = torch.ones(2, 2)
    table.index_reduce_(0, torch.tensor([3 if planted else 1]), torch.full((1, 2), 3.0), "prod")
    return {"table": table}


@planted(
    "take past the last element",
    index("values", "take", 6, 6, 6, 1),
    read("values", "take", 6, 6, 6, 1),
    tainted("taken", 2, 1, 1, 1, "wrong-value"),
)
def take_past_the_end(planted: bool) -> Outputs:
    values = torch.arange(6).reshape(2, 3)
    return {"taken": values.take(torch.tensor([-6, 6 if planted else 5]))}


@planted(
    "put_ before the first element",
    index("values", "put_", 6, -7, -7, 1),
    wrote("values", "put_", 6, -1, -1, 1),
)
def put_before_the_start(planted: bool) -> Outputs:
    values = torch.zeros(2, 3)
    values.put_(torch.tensor([0, -7 if planted else -6]), torch.ones(2))
    return {"values": values}


@planted(
    "token id past the vocabulary",
    index("weights", "embedding", 4, 4, 4, 1),
    read("weights", "embedding", 8, 8, 9, 2),
    tainted("rows", 4, 2, 3, 2),
)
def embed_past_the_vocabulary(planted: bool) -> Outputs:
    weights = torch.rand(4, 2)
    return {"rows": torch.nn.functional.embedding(torch.tensor([0, 4 if planted else 3]), weights)}


@planted(
    "bag of token ids, one negative",
    index("weights", "_embedding_bag_forward_only", 4, -1, -1, 1),
    read("weights", "_embedding_bag_forward_only", 8, -2, -1, 2),
    tainted("bags", 4, 0, 1, 2),
)
def embed_bag_before_the_vocabulary(planted: bool) -> Outputs:
    weights, starts = torch.rand(4, 2), torch.tensor([0, 2])
    tokens = torch.tensor([0, -1 if planted else 1, 2])
    return {"bags": torch.nn.functional.embedding_bag(tokens, weights, starts, mode="sum")}


@planted("advanced read, column past the row", index("table", "index", 4, 4, 4, 1))
def read_pairs_past_the_row(planted: bool) -> Outputs:
    table = torch.rand(3, 4)
    rows, columns = torch.tensor([0, 1]), torch.tensor([4 if planted else 3, 0])
    return {"chosen": table[rows, columns]}


@planted(
    "advanced write, negative beyond the first",
    index("table", "index_put_", 3, -4, -4, 1),
    wrote("table", "index_put_", 12, -4, -1, 4),
)
def write_rows_before_the_start(planted: bool) -> Outputs:
    table = torch.zeros(3, 4)
    table[torch.tensor([2, -4 if planted else -3])] = 1.0
    return {"table": table}


@planted(
    "advanced write under a mask, other index stray",
    index("table", "index_put_", 4, 4, 4, 1),
    wrote("table", "index_put_", 12, 12, 12, 1),
)
def write_masked_rows(planted: bool) -> Outputs:
    table, rows = torch.zeros(3, 4), torch.tensor([True, False, True])
    table[rows, torch.tensor([4 if planted else 3])] = 1.0
    return {"table": table}


@planted(
    "accumulating write past the end",
    index("sums", "index_put_", 4, 4, 4, 2),
    wrote("sums", "index_put_", 4, 4, 4, 1),
)
def accumulate_past_the_end(planted: bool) -> Outputs:
    sums = torch.zeros(4)
    sums.index_put_((torch.tensor([4, 4, 1] if planted else [3, 3, 1]),), torch.ones(3), accumulate=True)
    return {"sums": sums}


@planted(
    "take_along_dim, which torch wraps in silence",
    index("table", "take_along_dim", 3, 3, 3, 1),
)
def take_along_past_the_dimension(planted: bool) -> Outputs:
    table = torch.rand(3, 2)
    return {"chosen": torch.take_along_dim(table, torch.tensor([[0, 3 if planted else -3]]), 0)}


def _only_the_first_half() -> Outputs:
    expected = torch.zeros(2, 8, dtype=torch.float64)
    expected[0, :2] = 1.0
    return {"pool": expected}


@planted(
    "index of a pool's half, used on its other half",
    index("keys", "index_put_", 8, 8, 8, 1),
    wrong("pool", 16, 1, 8, 2),
    reference=_only_the_first_half,
)
def write_into_the_neighbour(planted: bool) -> Outputs:
    pool = torch.zeros(2, 8)
    keys = pool[0]
    keys[torch.tensor([0, 8 if planted else 1])] = 1.0
    return {"pool": pool}


# --- torch: memory behind its back, and values --------------------------------------------------


@dataclass
class Cache:
    """Something that owns its buffers, as a backend does."""

    lengths: torch.Tensor = field(default_factory=lambda: torch.zeros(6, dtype=torch.int32))


@planted("native code writes past a buffer", wrote("lengths", None, 6, 6, 8, 3))
def native_write_past_the_end(planted: bool) -> Outputs:
    cache = Cache()
    cache.lengths = lengths = torch.zeros(6, dtype=torch.int32)
    ctypes.memset(lengths.data_ptr(), 1, 36 if planted else 24)
    return {"lengths": lengths}


@planted("native code writes before a buffer", wrote("slots", None, 4, -2, -1, 2))
def native_write_before_the_start(planted: bool) -> Outputs:
    slots = torch.tensor([1, 2, 3, 4])
    ctypes.memset(slots.data_ptr() - (16 if planted else 0), 0, 16)
    return {"slots": slots}


@planted("native code writes past a buffer that is freed at once", wrote("scratch", None, 3, 3, 3, 1))
def native_write_past_what_is_freed(planted: bool) -> Outputs:
    scratch = torch.ones(3, dtype=torch.int64)
    ctypes.memset(scratch.data_ptr() + (24 if planted else 16), 0, 8)
    del scratch
    return {}


@planted("mean over a buffer that is half empty", tainted("mean", 1, 0, 0, 1))
def average_empty_memory(planted: bool) -> Outputs:
    values = torch.empty(8)
    values[: 4 if planted else 8] = 1.0
    return {"mean": values.mean()}


@planted(
    "rows sorted by another key",
    wrong("rows", 6, 2, 5, 4),
    reference=lambda: {"rows": torch.tensor([[0, 1], [2, 3], [4, 5]])},
)
def gather_in_wrong_order(planted: bool) -> Outputs:
    table = torch.arange(6).reshape(3, 2)
    return {"rows": table[torch.tensor([0, 2, 1] if planted else [0, 1, 2])]}


@planted("a sum kept in half precision", wrong("total", 1, 0, 0, 1), reference=lambda: {"total": 4096.0})
def sum_in_half_precision(planted: bool) -> Outputs:
    total = torch.zeros((), dtype=torch.float16 if planted else torch.float32)
    for _ in range(4096):
        total += 1
    return {"total": total}


from harness.tests.memory import battery_undefined  # noqa: E402, F401 - its programs enter themselves
