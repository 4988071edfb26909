"""Class A: what arms must not write they cannot, or it is seen, said, and of goldens put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process.pool import Pool
from harness.process.protection import Protection, refused
from harness.tests.hostile.witness_forgeries import LOST
from harness.tests.hostile.witness_writes import WRITES, Write
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Verdict

STORE = bug("pr101_stray_store")


@pytest.fixture(scope="module", params=Protection)
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """One pool of each protection; without namespaces there is but one."""
    if request.param is Protection.READ_ONLY and (why := refused()):
        pytest.skip(f"this machine has no read-only folders for arms: {why}")
    with Pool(2, protection=request.param) as shared:
        yield shared


@pytest.fixture
def recorded(tmp_path: Path, cache: Path, pool: Pool) -> Bench:
    one = bench.lay_out(tmp_path, cache, pool)
    one.record(STORE)
    return one


@pytest.mark.parametrize("write", WRITES, ids=lambda one: one.name)
def test_no_write_stays_and_none_passes(write: Write, recorded: Bench) -> None:
    places = {"BENCH": recorded.folder, "TREE": recorded.folder / "altered"}
    writes = recorded.on(write.pages(**places))
    file = next(path for path in recorded.folder.rglob("*.*") if str(path).endswith(write.file))
    before = file.read_bytes()
    if write.file == "spare.py":
        file = recorded.folder / "altered/sglang/spare.py"
    result = writes.judge(STORE).result
    if recorded.pool.protection is Protection.READ_ONLY:
        assert result.verdict is Verdict.REGRESSED and file.read_bytes() == before
        return
    assert result.verdict is Verdict.UNRESOLVED
    assert f"forged or broken: {file}" in result.reason and "changed while the arm ran" in result.reason
    if "golden" in write.file:
        assert file.read_bytes() == before
        assert sorted(one.name for one in file.parent.iterdir()) == [file.name]


def test_who_writes_nothing_is_judged_as_before(recorded: Bench) -> None:
    assert recorded.judge(STORE).result.verdict is Verdict.PASS
    assert recorded.on(LOST).judge(STORE).result.verdict is Verdict.REGRESSED
