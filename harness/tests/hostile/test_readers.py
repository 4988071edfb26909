"""Files that are no files, streams that are closed, bytes that nobody expected: one line, 2, and in time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import documents
from harness.commands import streams
from harness.errors import BadInput, Unresolved
from harness.process.preload_cache import PreloadCache
from harness.report import html, releases
from harness.report import json as json_report
from harness.serving import evidence, lines
from harness.sweep.outcomes import Book
from harness.tests import samples
from harness.tests.hostile import endings
from harness.tests.hostile.endings import one_line
from harness.tests.toyland import checkout
from harness.tests.toyland.checkout import Checkout, Ended, Typed
from harness.verdict import Judgement, Verdict

ABSENT = "pr109_needs_both_vendors"
LONG = "n" * 5000
DEEP = "[" * 200_000

Made = Callable[[Path], object]
FILES: dict[str, Made] = {
    "fifo": os.mkfifo,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "folder": lambda path: path.mkdir(),
    "garbage": lambda path: path.write_bytes(b"\x00\xff\x1b]0;x\x07" * 50),
    "deep": lambda path: path.write_text(DEEP),
    "matrix": lambda path: path.write_text('{"matrix": [{"reproducer": "\\u001b[31m"}]}'),
    "odd release": lambda path: path.write_text(json.dumps(_matrix("0.5.x"))),
    "binary patch": lambda path: path.write_text("diff --git a/sglang/x b/sglang/x\nBinary files differ\n"),
    "sparse": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 41),
}
# Words in which {name} stands for a file, what is said of it, and the exit code.
TYPED: list[tuple[str, str]] = [
    ("report {fifo}", "is a FIFO"),
    ("report {zero}", "is a device"),
    ("report {loop}", "cannot be read"),
    ("report {dangling}", "cannot be read"),
    ("report {folder}", "is a folder"),
    ("report {deep}", "give a file that `refault run --json` wrote"),
    ("report {matrix}", "no whole matrix"),
    ("report {odd release}", "no whole matrix"),
    (f"report {LONG}", "cannot be read"),
    ("report results.json --html {folder}", "cannot be written"),
    (f"report results.json --html {LONG}", "cannot be written"),
    ("report results.json --junit {loop}", "cannot be written"),
    ("run --json {loop}", "cannot be written"),
    ("run --json {folder}", "cannot be written"),
    (f"run --json {LONG}", "File name too long"),
    ("run --json /dev/null/x", "Not a directory"),
    (f"repro {LONG}", "no reproducer is called"),
    ("repro \x1b]0;x\x07\u202e", "\\x1b]0;x\\x07\\u202e"),
    ("repro 109 --set \x1b[31m=1", "\\x1b[31m"),
    ("repro 109 --sglang /tmp/\x1b[31m\u2066", "\\x1b[31m\\u2066"),
    ("triage {fifo}", "is a FIFO that nobody writes"),
    ("triage {zero}", "is no regular file"),
    ("triage {loop}", "symbolic links"),
    ("triage {folder}", "name a server's log"),
    ("triage {garbage}", "is no text"),
    ("new 5 --patch {fifo}", "is a FIFO"),
    ("new 5 --patch {zero}", "is a device"),
    ("new 5 --patch {garbage}", "give --patch a unified diff"),
    ("new 5 --patch {binary patch}", "the patch changes no module of"),
    ("new 5 --patch {sparse}", "has more than"),
    ("history --store {fifo}", "no regular file"),
    ("history --store {garbage}", "not a database"),
    (f"history --store {LONG}", "there is no history yet"),
]


def _matrix(release: str) -> dict[str, object]:
    cell = {"reproducer": "r", "release": release, "status": "fixed", "revert": "n/a", "reason": "told"}
    return {
        "refault": "1",
        "machine": {"platform": "cpu"},
        "matrix": [cell],
        "likeness": [],
        "disagreements": [],
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Checkout:
    found = checkout.lay_out(tmp_path_factory.mktemp("readers") / "checkout", cache, (ABSENT,))
    (first,) = endings.each(found, [Typed(["run", "--json", "results.json"])])
    assert first.returncode == 4
    return found


@pytest.fixture(scope="module")
def said(place: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    folder = tmp_path_factory.mktemp("files")
    files = {name: folder / name.replace(" ", "-") for name in FILES}
    for name, make in FILES.items():
        make(files[name])
    typed = [Typed([word.format(**files) for word in _words(line)]) for line, _ in TYPED]
    return {line: done for (line, _), done in zip(TYPED, endings.each(place, typed), strict=True)}


def _words(line: str) -> list[str]:
    """The words of a line; the name of a file may have a space."""
    return [word.replace("\0", " ") for word in line.replace("{odd release}", "{odd\0release}").replace(
        "{binary patch}", "{binary\0patch}").split(" ")]  # fmt: skip


@pytest.mark.parametrize(("line", "told"), TYPED)
def test_bad_input_is_one_line(line: str, told: str, said: dict[str, Ended]) -> None:
    assert told in one_line(said[line]) and len(said[line].stderr) < 3000


# --- streams and surroundings -------------------------------------------------------------------------------

SHELLED = [
    ("refault list >&-", 2, "the output cannot be written"),
    ("refault list >/dev/full", 2, "the output cannot be written"),
    ("refault list 2>&-", 0, ""),
    ("refault list 2>/dev/full", 0, ""),
    ("refault list >&- 2>&- <&-", 2, ""),
    ("refault repro 109 --json out.json 2>/dev/full", 4, ""),
    ("refault repro 109 --json out.json 2>&-", 4, ""),
    ("refault repro 109 --json out.json >&-", 2, "the output cannot be written"),
    ("refault repro 109 --json - >/dev/full", 2, "the output cannot be written"),
    ("refault repro 109 --json /dev/full", 2, "/dev/full: cannot be written (No space left on device)"),
    ("refault triage - <&-", 0, ""),
    ("mkfifo ff; cat ff >read.json & refault repro 109 --json ff", 4, ""),
    ("echo 'RuntimeError: an illegal memory access was encountered' | refault triage /dev/stdin", 0, ""),
    ("mkdir gone; cd gone; rmdir ../gone; refault list", 0, ""),
    ("mkdir gone; cd gone; rmdir ../gone; REFAULT_CACHE=rel refault repro 109", 2, "give a whole path"),
    ("TMPDIR=/nonexistent refault repro 109", 4, ""),
    ("REFAULT_CACHE=/dev/null/x refault repro 109", 2, "set REFAULT_CACHE"),
    (f"REFAULT_CACHE=/tmp/{'n' * 300} refault repro 109", 2, "File name too long"),
    ("ln -s loop loop; REFAULT_CACHE=loop refault repro 109", 2, "loop"),
    ("unset REFAULT_CACHE; TMPDIR=$PWD HOME=/etc/passwd refault list", 0, ""),
    ("unset REFAULT_CACHE; TMPDIR=$PWD HOME=/etc/passwd refault repro 109", 4, ""),
    ("LC_ALL=C PYTHONUTF8=0 refault list", 0, ""),
    ("COLUMNS=-3 refault repro 109", 4, ""),
]  # fmt: skip


@pytest.mark.parametrize(("shell", "code", "told"), SHELLED)
def test_whatever_surrounds_a_command_ends_in_no_traceback(
    shell: str, code: int, told: str, place: Checkout, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    script = f'refault() {{ "{sys.executable}" -P -m harness "$@"; }}\n{shell}'
    environment = {**place.environment, "REFAULT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=own, env=environment, capture_output=True, timeout=60, check=False
    )  # fmt: skip
    err = done.stderr.decode(errors="replace")
    assert done.returncode == code, err
    assert "Traceback" not in err and "itself failed" not in err and told in err
    if "out.json" in shell:
        assert json.loads((own / "out.json").read_text())["results"][0]["verdict"] == "UNSUPPORTED"
    if "read.json" in shell:
        assert json.loads((own / "read.json").read_text())["results"]


def test_a_stream_beside_the_answer_refuses_nothing() -> None:
    with streams.LossyStream("/dev/full", "w") as full:
        assert full.write(b"told") == 4


# --- readers, one by one ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"{", b"[" * 100_000, b"\xff", b'{"key": 1}', b'{"key": "k", "modules": [1]}']
)
def test_a_spoilt_preload_list_is_a_warning(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    assert PreloadCache(path, "k").load() == ()
    assert "no preload cache" in caplog.text and caplog.records[0].message.isprintable()


@pytest.mark.parametrize("name", ["fifo", "zero", "loop", "folder", "sparse"])
def test_a_preload_list_that_is_no_file_is_a_warning(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FILES[name](tmp_path / "p")
    since = time.monotonic()
    assert PreloadCache(tmp_path / "p", "k").load() == ()
    assert "no preload cache" in caplog.text and time.monotonic() - since < 5


@pytest.mark.parametrize(
    "content",
    ["{\n", "[1]\n", '{"a": 1}\n{"params": 3}\n', '{"a": 1}\n{"params": {}, "arms": []}\n', "\x00\n"],
)
def test_a_spoilt_book_begins_anew(content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "book"
    path.write_text(content)
    assert Book(path, {"a": 1}).outcomes() == {}
    assert "no book of a sweep" in caplog.text or content == "[1]\n"


def test_a_book_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from harness.sweep.outcomes import Outcome

    Book(tmp_path, {"a": 1}).add(Outcome({"x": 1}))
    assert "--resume will" in caplog.text


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": 1}', '{"at": "x", "text": "t", "event": "record"}', DEEP]
)
def test_events_that_cannot_be_read_are_no_evidence(line: str, tmp_path: Path) -> None:
    """To leave one out may be to leave out a fault."""
    own = tmp_path / "scheduler.7"
    own.mkdir()
    (own / evidence.EVENTS).write_text(line + "\n")
    with pytest.raises(Unresolved, match=r"what scheduler\.7 reported cannot be read"):
        evidence.read(tmp_path)


def test_a_line_that_docker_did_not_pack_is_the_line(tmp_path: Path) -> None:
    deep = '{"log":' + DEEP
    (line,) = lines.split(deep)
    assert line.text == deep


def test_a_matrix_that_nobody_may_read_is_refused_at_once(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        with pytest.raises(BadInput, match="cannot be read"):
            releases.split([tmp_path / "s"], {})


ODD_EVENTS: list[Any] = [
    {"event": "launch", "kernel": "fill", "args": {"t": {"buffer": "table", "shape": ["x"], "written": [0]}}},
    {"event": "launch", "kernel": "fill", "args": {"t": {"buffer": "table", "written": [0, None]}}},
    {"event": "launch", "kernel": "fill", "args": {"t": {"buffer": "table", "shape": [8], "written": "all"}}},
    {"event": "launch", "kernel": "fill", "args": [1], "shape": {"a": 1}, "buffer": "table"},
    {"event": "op", "op": "fill", "buffer": "table", "indices": 3},
    {"event": "op", "op": "fill", "buffer": "table", "indices": [3, None, {"extent": 8, "span": [1]}]},
    {"event": "op", "op": "fill", "buffer": "table", "indices": [{"extent": 8, "span": {"a": 1}}]},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["oob-write", "index-range"])
@pytest.mark.parametrize("event", ODD_EVENTS)
def test_a_page_is_made_whatever_a_trace_holds(event: Any, kind: str) -> None:
    violation = replace(samples.STRAY, kind=kind)
    odd = {"tokens": [1, None, {"a": [2]}], "logprobs": ["NaN", "x", {}]}
    both = [
        samples.arm(
            name, samples.point(16, *violations, trace=(event,), results={"requests": {"r": odd, "s": 3}})
        )
        for name, violations in (("fixed", ()), ("reverted", (violation,)))
    ]
    case = samples.case(golden=None, fixed=both[0], reverted=both[1])
    result = samples.result(Judgement(Verdict.PASS, "told"), case)
    tree = {"version": "9.9.9", "origin": "path", "tree": "c" * 64}
    whole = documents.parse(json_report.document([], {"platform": "cpu", "features": []}, tree))
    page = html.render([replace(whole, results=(result,))], html.Sources())
    assert page.startswith("<!DOCTYPE html>") and "told" in page


def test_a_log_of_an_impossible_name_is_none(tmp_path: Path) -> None:
    seen = samples.arm("fixed", samples.point(16), log=f"{LONG}/{LONG}/log.txt").observation
    result = replace(samples.result(Judgement(Verdict.PASS, "told")), fixed=seen)
    assert html.Logs((tmp_path,)).of(result, tmp_path) == {}


# --- all of them, for some seconds --------------------------------------------------------------------------


def test_readers_give_a_value_or_refuse(tmp_path: Path) -> None:
    """The soak in short: the readers of these modules, with the same inputs each time."""
    root = Path(__file__).parents[3]
    own = ("history", "triage", "events", "patch", "measured", "releases", "outcomes", "preload")
    names = [word for name in own for word in ("--reader", name)]
    done = subprocess.run(
        [sys.executable, "ci/soak/readers.py", "--rounds", "1", "--seed", "1", "--keep", tmp_path, *names],
        cwd=root, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(own)
