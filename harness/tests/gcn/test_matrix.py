"""Matrix instructions: results against numpy, from elements where AMD's matrix calculator has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import Unsupported
from harness.tests.gcn.snippets import LANE, Bench, run


def _lanes(matrix: Any, depth: int, size: int) -> Any:
    """[elements of a lane, lanes]: lane l has row l % size, from column (l // size) * elements on."""
    each = size * depth // 64
    return np.stack([matrix[LANE % size, LANE // size * each + number] for number in range(each)])


def _words(elements: Any) -> dict[int, Any]:
    """Elements of a lane packed into words, from the lowest bits on."""
    octets = np.ascontiguousarray(elements.T).view(np.uint8)
    return dict(enumerate(np.ascontiguousarray(octets).view(np.uint32).T))


def _result(size: int, registers: Any) -> Any:
    """The matrix that the result's registers hold: columns along lanes, four rows for each group of lanes."""
    found = np.zeros((size, size), dtype=registers.dtype)
    for number, register in enumerate(registers):
        rows = number // 4 * (4 * 64 // size) + LANE // size * 4 + number % 4
        found[rows, LANE % size] = register
    return found


_FORMS = [
    ("gfx942", 16, 4, "f32", np.float32, "v_mfma_f32_16x16x4_f32"),
    ("gfx942", 32, 2, "f32", np.float32, "v_mfma_f32_32x32x2_f32"),
    ("gfx942", 16, 8, "f32", np.float32, "v_mfma_f32_16x16x8_xf32"),
    ("gfx942", 32, 4, "f32", np.float32, "v_mfma_f32_32x32x4_xf32"),
    ("gfx942", 16, 16, "f32", np.float16, "v_mfma_f32_16x16x16_f16"),
    ("gfx942", 32, 8, "f32", np.float16, "v_mfma_f32_32x32x8_f16"),
    ("gfx942", 16, 32, "i32", np.int8, "v_mfma_i32_16x16x32_i8"),
    ("gfx942", 32, 16, "i32", np.int8, "v_mfma_i32_32x32x16_i8"),
    ("gfx950", 16, 32, "f32", np.float16, "v_mfma_f32_16x16x32_f16"),
    ("gfx950", 32, 16, "f32", np.float16, "v_mfma_f32_32x32x16_f16"),
    ("gfx950", 16, 64, "i32", np.int8, "v_mfma_i32_16x16x64_i8"),
    ("gfx950", 32, 32, "i32", np.int8, "v_mfma_i32_32x32x32_i8"),
]


@pytest.mark.parametrize(("chip", "size", "depth", "kind", "dtype", "opcode"), _FORMS)
def test_product(chip: str, size: int, depth: int, kind: str, dtype: Any, opcode: str) -> None:
    dice = np.random.default_rng(depth)
    a, b = (dice.integers(-8, 8, (size, depth)).astype(dtype) for _ in range(2))
    first, second = (_words(_lanes(matrix, depth, size)) for matrix in (a, b))
    count, results = len(first), size * size // 64
    at = f"v[{32}:{31 + count}]" if count > 1 else "v32", f"v[{40}:{39 + count}]" if count > 1 else "v40"
    vectors = {32 + n: word for n, word in first.items()} | {40 + n: word for n, word in second.items()}
    addend = {
        n: np.full(64, 3, dtype=np.float32 if kind == "f32" else np.int32).view(np.uint32)
        for n in range(results)
    }
    text = f"{opcode} v[0:{results - 1}], {at[0]}, {at[1]}, v[0:{results - 1}]"
    wave = run(text, vectors=vectors | addend, architecture=chip)
    found = _result(size, (wave.f if kind == "f32" else wave.i)[:results])
    assert np.array_equal(found, a.astype(np.int64) @ b.T.astype(np.int64) + 3)


def test_brain_floats_and_a_constant_addend() -> None:
    a = torch.randint(-8, 8, (16, 16)).bfloat16()
    first = _words(_lanes(a.view(torch.int16).numpy(), 16, 16))
    vectors = {32: first[0], 33: first[1]}
    wave = run("v_mfma_f32_16x16x16_bf16 a[0:3], v[32:33], v[32:33], 0", vectors=vectors)
    assert np.array_equal(_result(16, wave.f[256:260]), (a.double() @ a.double().T).numpy())


@pytest.mark.parametrize(
    ("chip", "dtype"), [("gfx942", torch.float8_e4m3fnuz), ("gfx950", torch.float8_e4m3fn)]
)
def test_eight_bits_mean_another_number_on_each_chip(chip: str, dtype: torch.dtype) -> None:
    a = torch.randint(-8, 8, (16, 32)).float()
    first = _words(_lanes(a.to(dtype).view(torch.uint8).numpy(), 32, 16))
    vectors = {32: first[0], 33: first[1]}
    text = "v_mfma_f32_16x16x32_fp8_fp8 v[0:3], v[32:33], v[32:33], 0"
    wave = run(text, vectors=vectors, architecture=chip)
    assert np.array_equal(_result(16, wave.f[:4]), (a.double() @ a.double().T).numpy())


def test_short_mantissa_rounds_what_it_is_given() -> None:
    fine = np.float32(1 + 2.0**-12)
    vectors = {32: np.full(64, fine), 33: 0.0, 34: 1.0, 35: 0.0}
    wave = run("v_mfma_f32_16x16x8_xf32 v[0:3], v[32:33], v[34:35], 0", vectors=vectors)
    assert set(wave.f[0].tolist()) == {4.0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("v_mfma_f32_4x4x1_16b_f32 v[0:3], v4, v5, 0", "v_mfma_f32_4x4x1_16b_f32"),
        ("v_mfma_f32_32x32x1_2b_f32 v[0:31], v32, v33, 0", "v_mfma_f32_32x32x1_2b_f32"),
        ("v_mfma_f32_16x16x4_f32 v[0:3], v4, v5, 1.0", "a matrix addend of 1.0"),
        ("v_mfma_f32_16x16x4_f32 v[0:3], v4, v5, 0 cbsz:1", "v_mfma_f32_16x16x4_f32 with cbsz"),
        ("v_mfma_f32_16x16x128_f8f6f4 v[0:3], v[4:11], v[4:11], 0", "f8f6f4"),
        ("v_smfmac_f32_16x16x32_f16 v[0:3], v[4:5], v[6:9], v10", "v_smfmac"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        Bench().run(text)
    assert named in str(caught.value)
