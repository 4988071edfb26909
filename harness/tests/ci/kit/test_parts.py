"""Wheels go into parts, and come out of them on the other side as they went in."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.kit import install, parts, repack
from ci.kit.parts import Kit
from harness.tests.ci.kit import wheels

ABOUT = {
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "environment": {"SOME_SWITCH": "false"},
}


def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _kit(folder: Path, groups: Mapping[str, tuple[int, ...]], part_size: int) -> Kit:
    """A kit of packages of incompressible content, of so many bytes each, by group."""
    packed = []
    for group, sizes in groups.items():
        made = []
        for number, size in enumerate(sizes):
            name = f"{group}{number}"
            files = {f"{name}/__init__.py": b"VALUE = 1\n", f"{name}/data": _noise(size)}
            whole = wheels.write(folder / "whole", name, "1.0", files)
            made.append(repack.repack(whole, folder))
        packed.append(made)
    return parts.pack(packed, folder / "kit", part_size, ABOUT)


def _install(site: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    script = folders[0] / "install.py"
    words = [sys.executable, "-I", str(script), str(site), *map(str, folders)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_parts_arrive_one_by_one(tmp_path: Path) -> None:
    kit = _kit(tmp_path, {"base": (60_000, 50_000, 2_000), "fa": (150_000,)}, 100_000)
    site, count = tmp_path / "site", len(kit.parts)
    folders = [kit.folder / f"part-{number}" for number in range(1, count + 1)]
    assert count == 4 and max(kit.parts) < 110_000  # two of the base, and one file cut in two
    for folder in folders[:-1]:
        done = _install(site, folder)
        assert done.returncode == 0 and done.stdout.startswith("incomplete: part-"), done.stderr
    assert not (site / "fa0").exists()
    done = _install(site, folders[-1])
    assert done.stdout.startswith("complete: 4 wheels")
    assert (site / "fa0/data").read_bytes() == _noise(150_000)
    assert "SOME_SWITCH=false" in (site / "env.sh").read_text()


def test_all_parts_at_once_and_again(tmp_path: Path) -> None:
    kit = _kit(tmp_path, {"base": (60_000, 50_000)}, 70_000)
    folders = sorted(kit.folder.iterdir())
    for _ in range(2):
        assert _install(tmp_path / "site", *folders).stdout.startswith("complete: 2 wheels")
    script = f'. {tmp_path}/site/env.sh; exec "$0" -c "import base0, base1; print(base1.VALUE)"'
    shown = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=True)
    assert shown.stdout == "1\n"


def test_a_damaged_part_is_refused(tmp_path: Path) -> None:
    kit = _kit(tmp_path, {"base": (5_000,)}, 70_000)
    (packed,) = (kit.folder / "part-1").glob("*.xz")
    data = bytearray(packed.read_bytes())
    data[100] ^= 1
    packed.write_bytes(data)
    done = _install(tmp_path / "site", kit.folder / "part-1")
    assert done.returncode == 1 and "is damaged on its way" in done.stderr
    assert not (tmp_path / "site/base0").exists()


def test_another_kit_in_the_same_site_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        kit = _kit(tmp_path / name, {name: (100,)}, 70_000)
        done = _install(tmp_path / "site", kit.folder / "part-1")
    assert done.returncode == 1 and "holds another kit: name an empty folder" in done.stderr


def test_another_python_is_refused(tmp_path: Path) -> None:
    kit = _kit(tmp_path, {"base": (100,)}, 70_000)
    manifest = kit.folder / "part-1" / install.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"python": "3.99"}))
    done = _install(tmp_path / "site", kit.folder / "part-1")
    assert done.returncode == 1 and "the kit is for Python 3.99" in done.stderr


def test_a_folder_that_is_no_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(install.Refused, match="is no part of a kit"):
        install.install(tmp_path, tmp_path / "site")


@given(st.lists(st.lists(st.integers(1, 250), max_size=6), min_size=1, max_size=3))
def test_the_layout_holds_everything_and_no_part_is_too_big(groups: list[list[int]]) -> None:
    layout = parts._layout(groups, 100)
    used: dict[int, int] = {}
    for sizes, places in zip(groups, layout, strict=True):
        assert [sum(size for _, size in place) for place in places] == sizes
        for size, place in zip(sizes, places, strict=True):
            assert len(place) == -(-size // 100)  # whole wherever a part can hold it
            for part, share in place:
                used[part] = used.get(part, 0) + share
    assert all(size <= 100 for size in used.values())
    assert sorted(used) == list(range(1, len(used) + 1))


def test_packing_tells_how_far_it_is(tmp_path: Path) -> None:
    whole = wheels.write(tmp_path / "whole", "large", "1.0", {"large/data": _noise(3 << 20)})
    told: list[str] = []
    parts.pack([[repack.repack(whole, tmp_path)]], tmp_path / "kit", 1 << 30, ABOUT, told.append)
    (line,) = told
    assert line.startswith("packing: 3 of 3 MiB, large-1.0-")
