"""Reading assembly: operands, modifiers, and places in the source."""

from __future__ import annotations

import pytest

from harness.errors import Unsupported
from harness.gcn.assembly import instruction, read
from harness.gcn.operands import constant, parse


def test_operands_modifiers_and_flags_are_told_apart() -> None:
    read_one = instruction("buffer_load_dword v0, v2, s[12:15], 0 offen offset:16 sc0")
    assert (read_one.opcode, read_one.encoding) == ("buffer_load_dword", "")
    assert read_one.operands == ("v0", "v2", "s[12:15]", "0")
    assert dict(read_one.modifiers) == {"offset": "16"}
    assert set(read_one.flags) == {"offen", "sc0"}


def test_lists_in_modifiers_are_kept_whole() -> None:
    read_one = instruction("v_mov_b32_dpp v8, v8 quad_perm:[2,3,0,1] row_mask:0xf bank_mask:0xf")
    assert (read_one.opcode, read_one.encoding, read_one.operands) == ("v_mov_b32", "dpp", ("v8", "v8"))
    assert read_one.modifiers["quad_perm"] == "[2,3,0,1]"


_TEXT = """\t.type\tk,@function
k:                                      ; @k
\t.loc\t1 5 0 prologue_end              ; kernel.py:5:0
\ts_nop 0
\t.loc\t1 0 0 is_stmt 0                 ; :0:0
\ts_nop 1
.LBB0_1:                                ; %label
\t.loc\t2 263 15                        ; standard.py:263:15 @[ standard.py:293:36 @[ kernel.py:11:15 ] ]
\ts_endpgm
\t.section\t.rodata
\ts_nop 2
"""


def test_place_is_the_line_of_the_kernel_itself() -> None:
    kernel = read(_TEXT)
    assert [(one.text, one.line) for one in kernel.instructions] == [
        ("s_nop 0", "kernel.py:5"),
        ("s_nop 1", "kernel.py:5"),
        ("s_endpgm", "kernel.py:11"),
    ]
    assert kernel.labels == {".LBB0_1": 2}


@pytest.mark.parametrize("text", ["", _TEXT + "\t.type\tother,@function\n"])
def test_assembly_of_other_than_one_kernel_is_refused(text: str) -> None:
    with pytest.raises(Unsupported, match="functions"):
        read(text)


@pytest.mark.parametrize(
    ("text", "kind", "index", "words"),
    [
        ("s7", "s", 7, 1),
        ("s[4:7]", "s", 4, 4),
        ("v9", "v", 9, 1),
        ("v[2:3]", "v", 2, 2),
        ("a3", "v", 259, 1),
        ("vcc", "s", 106, 2),
        ("vcc_hi", "s", 107, 1),
        ("exec", "s", 126, 2),
        ("exec_lo", "s", 126, 1),
        ("m0", "s", 124, 1),
        ("-1", "const", 0, 1),
        ("0x3fb8aa3b", "const", 0, 1),
        ("0.5", "const", 0, 1),
    ],
)
def test_operand(text: str, kind: str, index: int, words: int) -> None:
    found = parse(text)
    assert (found.kind, found.index, found.words) == (kind, index, words)
    assert not (found.negate or found.absolute or found.sext)


@pytest.mark.parametrize(
    ("text", "modifiers"),
    [
        ("-v1", (True, False, False)),
        ("|v1|", (False, True, False)),
        ("-|v1|", (True, True, False)),
        ("abs(s1)", (False, True, False)),
        ("neg(v1)", (True, False, False)),
        ("sext(v1)", (False, False, True)),
    ],
)
def test_operand_with_modifiers(text: str, modifiers: tuple[bool, bool, bool]) -> None:
    found = parse(text)
    assert (found.index, found.negate, found.absolute, found.sext) == (1, *modifiers)


@pytest.mark.parametrize("text", ["off", "ttmp0", "flat_scratch", "src_shared_base", "vcc[0]", "1e5"])
def test_operand_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(Unsupported, match="the operand"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "dtype", "bits"),
    [
        ("1.0", "f32", 0x3F800000),
        ("1.0", "u32", 0x3F800000),
        ("1.0", "f16", 0x3C00),
        ("-4.0", "f32", 0xC0800000),
        ("64", "f32", 64),
        ("-16", "u32", 0xFFFFFFF0),
        ("-16", "i64", 0xFFFFFFFFFFFFFFF0),
        ("0xff800000", "f32", 0xFF800000),
        ("1.0", "f64", 0x3FF0000000000000),
        ("0x40080000", "f64", 0x4008000000000000),
        ("7", "u16", 7),
    ],
)
def test_constant_by_the_type_that_takes_it(text: str, dtype: str, bits: int) -> None:
    value = constant(text, dtype)
    assert hex(int.from_bytes(value.tobytes(), "little")) == hex(bits)
