from __future__ import annotations

from pathlib import Path

from harness.memory.device.ledger import Entry, Ledger

KEYS = Entry("keys", address=1024, nbytes=64, itemsize=4, low=512, high=1600)


def test_an_address_in_reach_is_the_buffers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add(KEYS)
    for known in (ledger, Ledger.read(tmp_path / "ledger")):
        assert known.at(512) == known.at(1599) == KEYS
        assert known.at(511) is None and known.at(1600) is None


def test_the_last_buffer_at_an_address_stands_for_it() -> None:
    ledger = Ledger(entries=[KEYS, Entry("values", 1024, 8, 8, 512, 1600)])
    found = ledger.at(1024)
    assert found is not None and found.name == "values"


def test_a_ledger_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert Ledger.read(tmp_path / "none").at(0) is None


def test_a_fault_counts_elements_of_the_buffer() -> None:
    fault = KEYS.fault("oob-write", [1088, 1089, 1092, 1020], "fill")
    assert fault.signature == "oob-write into keys by fill numel=16 first=-1 last=17 count=3"
