"""Assembly that is kept: what is looked up is what would be compiled, and only under the same conditions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.backends.amd.compiler import HIPBackend

from harness.errors import Unresolved
from harness.facts import Platform
from harness.gcn import assembly as gcn
from harness.host import assembly
from harness.host.assembly import Assembly, Kept, Memo, Source, make
from harness.host.targets import Target, compiling
from harness.tests.gcn.kernels import ADD, PRODUCT

STAGES = ("make_ttgir", "make_llir", "make_amdgcn")
SOURCE = Source(ir="module {}", chip="rocm-gfx942", options="{}", compiler="3")
TEXT = Assembly("s_endpgm", {"shared": 0})
Folder = Callable[[], Path]


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A new folder each time; Triton's own cache, and its stages, are put back behind the test."""
    before = {stage: HIPBackend.__dict__[stage] for stage in STAGES}
    yield lambda: tmp_path_factory.mktemp("kept")
    for stage, function in before.items():
        setattr(HIPBackend, stage, function)


@contextmanager
def _recalling(kept: Kept, target: Target) -> Iterator[Memo]:
    before = {stage: HIPBackend.__dict__[stage] for stage in STAGES}
    memo = Memo(kept, target)
    memo.install()
    yield memo
    for stage, function in before.items():
        setattr(HIPBackend, stage, function)


def _compiled(target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch, block: int = 256) -> list[Any]:
    """Two kernels compiled anew, one of which has a matrix product and local memory."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(folder))
    for kernel in (ADD, PRODUCT):
        kernel.device_caches.clear()
    found: list[Any] = []
    x = torch.zeros(64 * 64, dtype=torch.float16)
    with compiling(target, lambda function, kernel: found.append(kernel)):
        ADD[(3,)](torch.arange(700), torch.arange(700), torch.arange(700), 700, BLOCK=block)
        PRODUCT[(1,)](x, x, torch.zeros(64 * 64), M=64, N=64, K=64)
    return found


@pytest.mark.parametrize("chip", ["gfx942", "gfx950"])
def test_what_is_looked_up_is_what_would_be_compiled(
    chip: str, fresh: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, kept = Target(Platform.parse(f"rocm-{chip}")), Kept(fresh() / "assembly")
    plain = _compiled(target, fresh(), monkeypatch)
    with _recalling(kept, target) as memo:
        cold = _compiled(target, fresh(), monkeypatch)
    assert len(memo.missing) == 2
    assert make(memo.missing, kept) == 2 and make(memo.missing, kept) == 0
    with _recalling(kept, target) as memo:
        warm = _compiled(target, fresh(), monkeypatch)
        assert not memo.missing
        _compiled(target, fresh(), monkeypatch, block=512)
        assert len(memo.missing) == 1  # of the kernel that was compiled otherwise
    for one, two, three in zip(plain, cold, warm, strict=True):
        assert two.asm["amdgcn"] == three.asm["amdgcn"]
        assert gcn.read(one.asm["amdgcn"]) == gcn.read(three.asm["amdgcn"])
        assert _but_the_hash(one) == _but_the_hash(two) == _but_the_hash(three)


def _but_the_hash(kernel: Any) -> dict[str, Any]:
    return {name: value for name, value in kernel.metadata._asdict().items() if name != "hash"}


def test_the_folder_of_a_source_file_makes_no_difference() -> None:
    ir = '#loc = loc("/one/tree/kernels.py":10:0)\n#loc1 = loc("x"(#loc))'
    assert assembly.nameless(ir) == '#loc = loc("kernels.py":10:0)\n#loc1 = loc("x"(#loc))'
    assert assembly.nameless(ir.replace("/one/tree", "/another")) == assembly.nameless(ir)


@pytest.mark.parametrize("field", ["ir", "chip", "options", "compiler"])
def test_all_of_a_source_counts(field: str) -> None:
    assert replace(SOURCE, **{field: "other"}).key != SOURCE.key


def test_a_variable_that_changes_what_is_compiled_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assembly.compiler()
    monkeypatch.setenv("AMDGCN_USE_BUFFER_OPS", "0")
    assert assembly.compiler() != before


def test_what_another_triton_was_told_of_is_not_compiled(tmp_path: Path) -> None:
    assert make([SOURCE], Kept(tmp_path / "assembly")) == 0
    assert not (tmp_path / "assembly").exists()


def test_options_that_cannot_be_given_again_are_refused(
    tmp_path: Path, fresh: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, kept = Target(Platform.parse("rocm-gfx942")), Kept(tmp_path / "assembly")
    with _recalling(kept, target) as memo:
        _compiled(target, fresh(), monkeypatch)
    other = json.dumps({**json.loads(memo.missing[0].options), "no_option": 1}, sort_keys=True)
    with pytest.raises(Unresolved, match="cannot be given again"):
        make([replace(memo.missing[0], options=other)], kept)


def _replaced(path: Path, by: Callable[[Path], None]) -> None:
    path.unlink()
    by(path)


def _altered(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: _altered(path, text="s_nop 0"),
        lambda path: _altered(path, metadata={"shared": 8}),
        lambda path: _altered(path, key="another"),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: _replaced(path, os.mkfifo),
        lambda path: _replaced(path, os.mkdir),
    ],
)
def test_a_file_that_is_not_what_was_written_counts_as_none(
    harm: Callable[[Path], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(tmp_path / "assembly")
    assert kept.find(SOURCE.key) is None
    kept.add(SOURCE.key, TEXT)
    assert kept.find(SOURCE.key) == TEXT
    harm(tmp_path / "assembly" / f"{SOURCE.key}.json")
    assert kept.find(SOURCE.key) is None
    assert "which is no kept assembly" in caplog.text


def test_of_too_many_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MOST", 2)
    kept = Kept(tmp_path)
    for number in range(4):
        kept.add(str(number), TEXT)
        os.utime(tmp_path / f"{number}.json", (number, number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.json", "3.json"]
