"""Floats of eight bits, value by value and against torch, and the bit of MODE that limits what overflows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harness.errors import Unsupported
from harness.facts import Platform
from harness.gcn import eight
from harness.gcn.launches import Emulation, emulated
from harness.gcn.wave import LANES
from harness.host.targets import Target
from harness.memory.violations import Violations
from harness.tests.gcn.kernels import CAST
from harness.tests.gcn.snippets import run

INF, NAN = float("inf"), float("nan")
TYPES = {
    ("gfx942", "fp8"): torch.float8_e4m3fnuz, ("gfx942", "bf8"): torch.float8_e5m2fnuz,
    ("gfx950", "fp8"): torch.float8_e4m3fn, ("gfx950", "bf8"): torch.float8_e5m2,
}  # fmt: skip
_LIMIT = "s_setreg_imm32_b32 hwreg(HW_REG_MODE, 23, 1), 1"


@pytest.mark.parametrize(("chip", "kind"), TYPES)
def test_conversion_is_torchs(chip: str, kind: str) -> None:
    dtype = TYPES[chip, kind]
    known = torch.arange(256, dtype=torch.uint8).view(dtype).float()
    known = known[known.isfinite()].sort().values
    middle = (known[1:] + known[:-1]) / 2
    beside = [torch.nextafter(middle, torch.tensor(way)) for way in (INF, -INF)]
    past = known.max() * torch.tensor([1.01, 1.03, 1.04, 1.05, 1.0625, 1.0626, 1.2, 2.0, 1e9, INF])
    if dtype is torch.float8_e4m3fn:
        past = past[:2]  # what lies further out is the largest to torch, and NaN to the hardware
    values = torch.cat([known, middle, *beside, past, -past])
    expected = values.to(dtype).view(torch.uint8)
    assert torch.equal(
        torch.from_numpy(eight.bits(values.numpy(), chip, kind, False).astype(np.uint8)), expected
    )
    assert np.isnan(eight.worth(chip, kind)[eight.bits(np.array([NAN, -NAN]), chip, kind, True)]).all()


@pytest.mark.parametrize(
    ("chip", "kind", "largest", "infinite"),
    [("gfx942", "fp8", 240.0, NAN), ("gfx942", "bf8", 57344.0, NAN),
     ("gfx950", "fp8", 448.0, NAN), ("gfx950", "bf8", 57344.0, INF)],
)  # fmt: skip
def test_limit_has_the_largest_stand_for_what_overflows(
    chip: str, kind: str, largest: float, infinite: float
) -> None:
    values = np.array([1e9, -1e9, largest * 1.01, INF, 1.0])
    found = eight.worth(chip, kind)[eight.bits(values, chip, kind, True)]
    assert np.array_equal(found, [largest, -largest, largest, infinite, 1.0], equal_nan=True)


def test_what_is_past_the_largest_is_no_number_where_nothing_limits_it() -> None:
    found = eight.bits(np.array([464.0, 464.1, -1e9, INF]), "gfx950", "fp8", False)
    assert found.tolist() == [0x7E, 0x7F, 0xFF, 0x7F]


@pytest.mark.parametrize(
    ("chip", "text", "result"),
    [
        # 1 is 0x40 in fnuz with its bias of 8, and 0x38 in the type with a bias of 7
        ("gfx942", "v_cvt_pk_fp8_f32 v3, v0, v1", 0xDEAD_C840),
        ("gfx942", "v_cvt_pk_fp8_f32 v3, v0, v1 op_sel:[0,0,1]", 0xC840_BEEF),
        ("gfx942", "v_cvt_pk_bf8_f32 v3, v0, v1", 0xDEAD_C440),
        ("gfx950", "v_cvt_pk_fp8_f32 v3, v0, v1", 0xDEAD_C038),
        ("gfx950", "v_cvt_pk_bf8_f32 v3, v0, v1", 0xDEAD_C03C),
        ("gfx950", "v_cvt_scalef32_pk_fp8_f32 v3, v0, v1, 1.0", 0xDEAD_C038),
        ("gfx950", "v_cvt_scalef32_pk_fp8_f32 v3, v0, v1, 0.5 op_sel:[0,0,0,1]", 0xC840_BEEF),
        ("gfx950", "v_cvt_scalef32_pk_bf8_f32 v3, v0, v1, 2.0", 0xDEAD_BC38),
    ],
)
def test_two_floats_go_to_one_half(chip: str, text: str, result: int) -> None:
    wave = run(text, architecture=chip, vectors={0: 1.0, 1: -2.0, 3: 0xDEADBEEF})
    assert set(wave.v[3].tolist()) == {result}


@pytest.mark.parametrize(
    ("chip", "text", "results"),
    [
        ("gfx942", "v_cvt_pk_f32_fp8_e32 v[4:5], v0", (1.0, -2.0)),
        ("gfx942", "v_cvt_pk_f32_fp8_sdwa v[4:5], v0 src0_sel:WORD_1", (0.5, 240.0)),
        ("gfx942", "v_cvt_f32_fp8_e32 v4, v0", (1.0,)),
        ("gfx942", "v_cvt_f32_fp8_sdwa v4, v0 src0_sel:BYTE_3", (240.0,)),
        ("gfx942", "v_cvt_pk_f32_bf8_e32 v[4:5], v0", (1.0, -4.0)),
        ("gfx950", "v_cvt_scalef32_pk_f32_fp8 v[4:5], v0, 1.0", (2.0, -4.0)),
        ("gfx950", "v_cvt_scalef32_pk_f32_fp8 v[4:5], v0, 4.0 op_sel:[1,0,0]", (4.0, NAN)),
        ("gfx950", "v_cvt_scalef32_pk_f32_bf8 v[4:5], v0, 1.0", (2.0, -8.0)),
    ],
)
def test_bytes_become_floats(chip: str, text: str, results: tuple[float, ...]) -> None:
    wave = run(text, architecture=chip, vectors={0: 0x7F38_C840})
    assert np.array_equal([wave.f[4 + n][0] for n in range(len(results))], results, equal_nan=True)


def test_scale_counts_by_its_exponent_and_is_a_number() -> None:
    text = "v_cvt_scalef32_pk_fp8_f32 v3, v0, v1, v2"
    wave = run(text, architecture="gfx950", vectors={0: 1.0, 1: -2.0, 2: 1.5, 3: 0})
    assert set(wave.v[3].tolist()) == {0xC038}
    with pytest.raises(Unsupported, match="v2 that is no normal number"):
        run(text, architecture="gfx950", vectors={0: 1.0, 1: -2.0, 2: 0, 3: 0})


@pytest.mark.parametrize("text", ["v_cvt_scalef32_pk_fp8_f32 v3, v0, v1, 1.0", "v_cvt_sr_fp8_f32 v3, v0, v1"])
def test_what_the_chip_or_the_emulator_has_not_is_named(text: str) -> None:
    with pytest.raises(Unsupported, match=text.split()[0]):
        run(text)


HALVES = [
    ("v_cvt_f16_f32 v3, v0", 1e6, 0x7BFF, 0x7C00),
    ("v_cvt_f16_f32 v3, v0", -1e6, 0xFBFF, 0xFC00),
    ("v_cvt_f16_f32 v3, v0", INF, 0x7C00, 0x7C00),
    ("v_cvt_pk_f16_f32 v3, v0, 1.0", 1e6, 0x3C00_7BFF, 0x3C00_7C00),
    ("v_cvt_f16_f32 v1, 0x477fe000\nv_add_f16 v3, v1, v1", 0.0, 0x7BFF, 0x7C00),
    ("v_mov_b32 v1, 0x7bff7bff\nv_pk_add_f16 v3, v1, v1", 0.0, 0x7BFF_7BFF, 0x7C00_7C00),
    ("v_mov_b32 v3, 0\nv_fma_mixlo_f16 v3, v0, 1.0, 0", 1e6, 0x7BFF, 0x7C00),
]


@pytest.mark.parametrize(("text", "value", "limited", "plain"), HALVES)
def test_halves_stop_at_the_largest_where_mode_says_so(
    text: str, value: float, limited: int, plain: int
) -> None:
    for before, expected in ((_LIMIT, limited), ("s_nop 0", plain)):
        wave = run(f"{before}\n{text}", architecture="gfx950", vectors={0: value})
        assert hex(int(wave.v[3][0])) == hex(expected)


@pytest.fixture(scope="module", autouse=True)
def _compiled_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield


_CASTS = [
    (chip, given, wanted)
    for chip, eights in (
        ("gfx942", (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)),
        ("gfx950", (torch.float8_e4m3fn, torch.float8_e5m2)),
    )
    for one in eights
    for plain in (torch.float32, torch.bfloat16)
    for given, wanted in ((one, plain), (plain, one))
]


@pytest.mark.parametrize(("chip", "given", "wanted"), _CASTS)
def test_kernels_that_convert_agree_with_torch(chip: str, given: torch.dtype, wanted: torch.dtype) -> None:
    size = 1024
    values = (torch.randn(size, generator=torch.Generator().manual_seed(1)) * 20).to(given)
    out = torch.zeros(size).to(wanted)
    emulation = Emulation(
        Target(Platform.parse(f"rocm-{chip}")), Violations(), None, lambda name: None, lambda name, seen: None
    )
    with emulated(emulation):
        CAST[(1,)](values, out, size, BLOCK=size)
    assert torch.equal(out.float(), values.float().to(wanted).float())
    assert emulation.runs[0][1].waves * LANES <= size
