"""What standard output refuses: nothing is lost or looks like a verdict, and no traceback is printed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands import streams
from harness.tests.toyland import checkout
from harness.tests.toyland.checkout import Checkout


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Checkout:
    return checkout.lay_out(tmp_path / "checkout", cache, ("pr101_stray_store",))


def unread(place: Checkout, *words: str, unbuffered: str) -> subprocess.CompletedProcess[str]:
    """Run the command with nobody at the other end of its standard output."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**place.environment, "PYTHONUNBUFFERED": unbuffered}
    try:
        return subprocess.run(
            place.command(*words), stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
            cwd=place.root, env=environment, timeout=120,
        )  # fmt: skip
    finally:
        os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_verdict(place: Checkout, unbuffered: str) -> None:
    done = unread(place, "list", unbuffered=unbuffered)
    assert (done.returncode, done.stderr) == (streams.UNREAD, "")


def test_results_that_nobody_reads_are_kept_all_the_same(place: Checkout) -> None:
    done = unread(place, "repro", "101", "--json", "kept.json", "--html", "kept.html", unbuffered="1")
    assert done.returncode == streams.UNREAD and "Traceback" not in done.stderr
    (result,) = json.loads((place.root / "kept.json").read_text())["results"]
    assert result["verdict"] == "UNRECORDED"
    assert (place.root / "kept.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(place: Checkout, unbuffered: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            place.command("list"), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            cwd=place.root, env={**place.environment, "PYTHONUNBUFFERED": unbuffered}, timeout=120,
        )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "the output cannot be written (No space left on device)" in line


def test_a_character_that_the_locale_lacks_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    streams.take_any_character()
    print("✓ PASS", flush=True)
    assert written.getvalue() == b"? PASS\n"
