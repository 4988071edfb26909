"""A kernel case whose machine code is emulated, through the whole suite: its row, its golden, its gate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.facts import CaseKey, KernelCase, Platform, Reproducer, Tier
from harness.suite import Judged, Request, Suite
from harness.tests.gate import reread
from harness.tests.suite.planted import STORE, STRAY, told
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench
from harness.verdict import EvidenceClass, Result, Verdict

CHIP = Platform.parse("emulated-gfx942")
STORED = "tl.store(table + lane, lane, mask=lane < count)"
ONLY_COMPILED = (
    upstream.altered(STORED, "tl.store(table + lane, lane + SHIFT, mask=lane < count)")
    .replace(
        "@triton.jit",
        'SHIFT = tl.constexpr(0 if "TRITON_INTERPRET" in os.environ else 3)\n\n\n@triton.jit',
        1,
    )
    .replace("import ctypes\n", "import ctypes\nimport os\n")
)
THIRDS = upstream.altered(
    STORED, "tl.store(table + lane, (lane.to(tl.float64) / 3).to(tl.int32), mask=lane < count)"
)
LOST = upstream.altered("numel = pages * page_size", "numel = pages")


def _subject() -> Reproducer:
    assert isinstance(STORE.kernel, KernelCase)
    return replace(STORE, kernel=replace(STORE.kernel, emulated=("gfx942",)))


BUG = _subject()


def _judge(on: Bench, *platforms: Platform | None) -> list[Judged]:
    requests = [Request(reproducer=BUG, tier=Tier.KERNEL, platform=one) for one in platforms]
    with Suite(on.setting, pool=on.pool) as suite:
        return sorted(suite.run(requests), key=lambda one: str(one.result.platform))


@pytest.fixture
def emulated(fresh: Bench) -> Bench:
    """A bench with the golden of the row."""
    fresh.keep(*_judge(fresh, CHIP))
    return fresh


def test_a_row_of_its_own_with_a_golden_of_its_own(emulated: Bench) -> None:
    (judged,) = _judge(emulated, CHIP)
    assert told(judged.result, Verdict.PASS) == (
        f"reverted arm faults: {STRAY}; emulated: machine code of gfx942"
    )
    assert judged.result.key == CaseKey(BUG.id, Tier.KERNEL, CHIP)
    assert judged.result.evidence is EvidenceClass.EMULATED
    (golden,) = (emulated.folder / "golden" / BUG.id).iterdir()
    assert golden.name == "kernel.emulated-gfx942.json"
    for platform in ("rocm-gfx942", "emulated-gfx950"):
        assert not emulated.goldens.load(CaseKey(BUG.id, Tier.KERNEL, Platform.parse(platform)))


def test_the_interpreter_is_run_once_for_all_rows_of_a_case(fresh: Bench) -> None:
    cpu, row = _judge(fresh, None, CHIP)
    assert cpu.result.fixed and row.result.interpreted and row.result.fixed
    assert row.result.interpreted.log == cpu.result.fixed.log != row.result.fixed.log
    assert row.result.arms.keys() == {"fixed", "reverted"} and cpu.result.interpreted is None


def test_a_disagreement_is_neither_a_regression_nor_a_pass(fresh: Bench) -> None:
    (judged,) = _judge(fresh.on(ONLY_COMPILED), CHIP)
    reason = told(judged.result, Verdict.UNRESOLVED)
    assert "disagreement with the interpreter on the fixed arm at tokens=12, page_size=4: " in reason
    assert "launch 0 of fill_kernel: table.wrote.values[0] is 3 in the machine code, 0 in the int" in reason


def test_a_disagreement_names_the_instruction_and_the_lane_that_stored_it(fresh: Bench) -> None:
    (judged,) = _judge(fresh.on(ONLY_COMPILED), CHIP)
    found = judged.result.disagreement
    assert found and found.element and found.element.store
    store = found.element.store
    line = 1 + ONLY_COMPILED.splitlines().index(f"    {STORED.replace('lane, mask', 'lane + SHIFT, mask')}")
    assert (store.kernel, store.line, store.lane, store.wave) == ("fill_kernel", f"pages.py:{line}", 0, 0)
    assert store.opcode.endswith("_store_dword") and store.program == (0, 0, 0)
    assert (found.element.element, found.element.apart) == (0, 12)
    assert judged.result.reason.endswith(f"the interpreter; stored last at {store}")
    assert Result.from_json(judged.result.to_json()).disagreement == found


def test_one_wrong_instruction_of_a_kernel_is_found_by_its_lane(fresh: Bench) -> None:
    """Lane 5 alone stores something else, and element 5 is named."""
    code = ONLY_COMPILED.replace("lane + SHIFT, mask", "lane + SHIFT * (lane == 5), mask")
    (judged,) = _judge(fresh.on(code), CHIP)
    found = judged.result.disagreement
    assert found and found.element and found.element.store
    assert (found.element.element, found.element.apart, found.element.store.lane) == (5, 1, 5)
    assert (found.element.seen, found.element.interpreted) == ("8", "5")


def test_a_lost_fix_that_the_interpreter_shows_too_is_a_regression(emulated: Bench) -> None:
    (judged,) = _judge(emulated.on(LOST), CHIP)
    assert STRAY in told(judged.result, Verdict.REGRESSED)


def test_an_opcode_that_is_not_implemented_is_named(fresh: Bench) -> None:
    (judged,) = _judge(fresh.on(THIRDS), CHIP)
    reason = told(judged.result, Verdict.UNSUPPORTED)
    assert reason.startswith("fixed arm: the emulator does not implement fill_kernel on gfx942: ")
    assert "v_div_scale_f64" in reason
    assert reread.problem(fresh.on(THIRDS, "again"), judged, BUG) is None


def test_the_gate_judges_it_again_by_all_three_arms(emulated: Bench) -> None:
    (judged,) = _judge(emulated, CHIP)
    assert reread.problem(emulated, judged, BUG) is None
    assert "interpreted arm: nothing came back" in str(
        reread.problem(emulated, judged, BUG, interpreted=None)
    )


def test_a_row_cannot_pass_for_one_of_the_chip_itself(emulated: Bench) -> None:
    (judged,) = _judge(emulated, CHIP)
    chip = CaseKey(BUG.id, Tier.KERNEL, Platform.parse("rocm-gfx942"))
    forged = str(reread.problem(emulated, judged, BUG, key=chip))
    assert "a machine of cpu makes no kernel result for rocm-gfx942" in forged
    assert "it says evidence fault" in str(
        reread.problem(emulated, judged, BUG, evidence=EvidenceClass.FAULT)
    )


def test_an_arm_that_does_not_attest_the_emulation_proves_nothing(emulated: Bench) -> None:
    (judged,) = _judge(emulated, CHIP)
    fixed = judged.result.fixed
    assert fixed and fixed.attestation
    patches = tuple(one for one in fixed.attestation.patches if not one.startswith("emulated: "))
    silent = replace(fixed, attestation=replace(fixed.attestation, patches=patches))
    problem = str(reread.problem(emulated, judged, BUG, fixed=silent))
    assert "fixed arm: it does not attest that it emulated machine code of gfx942" in problem
