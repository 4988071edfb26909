from __future__ import annotations

from harness.memory.device import sanitizer
from harness.memory.device.ledger import Entry, Ledger
from harness.tests.memory.device import samples


def found(sample: str) -> list[sanitizer.Finding]:
    return list(sanitizer.findings(sample.splitlines()))


def test_each_refused_access_is_a_finding_with_its_kernel_and_its_neighbour() -> None:
    first, second, third = found(samples.BEFORE_THE_START)
    assert (first.what, first.size, first.address) == ("read", 4, 0x7FC85E8003F4)
    assert (first.kernel, first.near) == ("shift", (0x7FC85E800000, 32))
    assert second.address == first.address + 4
    assert third == first, "another thread at the same place"


def test_an_access_inside_an_allocation_names_it_too() -> None:
    (one,) = found(samples.INSIDE)
    assert (one.kernel, one.near) == ("sum_length", (0x7FB046A00000, 15))


def test_large_sizes_are_read_with_their_commas() -> None:
    (one,) = found(samples.FAR_AWAY)
    assert (one.address, one.near) == (0x830E7A800004, (0x7F0E82C00000, 512))


def test_assertions_and_other_output_are_no_findings() -> None:
    assert found(samples.ASSERTION) == found("") == []


def test_findings_become_one_fault_in_elements_of_the_buffer() -> None:
    source = Entry("source", 0x7FC85E800400, 32, 4, 0x7FC85E800300, 0x7FC85E800520)
    (fault,) = sanitizer.faults(found(samples.BEFORE_THE_START), Ledger(entries=[source]))
    assert fault.signature == "oob-read from source by shift numel=8 first=-3 last=-2 count=2"


def test_an_access_far_from_every_buffer_is_told_without_one() -> None:
    (fault,) = sanitizer.faults(found(samples.FAR_AWAY), Ledger())
    assert (fault.kind, fault.buffer, fault.kernel) == ("oob-read", None, "shift")


def test_the_command_is_wrapped_and_padded_on_demand() -> None:
    plain = sanitizer.wrapped(["python3", "x.py"], "compute-sanitizer")
    assert plain[0] == "compute-sanitizer" and plain[-2:] == ["python3", "x.py"]
    assert "--padding" not in plain
    assert "--padding" in sanitizer.wrapped(["python3"], "compute-sanitizer", padded=True)
