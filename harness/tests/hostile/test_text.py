"""Text that a terminal, Markdown, HTML or XML would obey: shown in each of them, and obeyed by none.

Every string that can come from a file, a tree or an arm is set to the hostile text, and everything that a
renderer writes is held to letters that can be printed. The JSON alone keeps the text as it was.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.table import Table
from rich.text import Text

import harness
from harness.documents import Document
from harness.facts import CPU, Bug, CaseKey, FaultKind, Tier
from harness.gate.decision import Decision
from harness.gate.entries import Entry
from harness.gate.policy import Policy
from harness.gate.results import Build
from harness.history import ArmNight, Night, Series
from harness.matrix import Applies, Cell, Status
from harness.observation import Attestation, Exit, Fault, Module, Observation, Point, Sighting
from harness.report import gate, html, junit, markdown, terminal, triage
from harness.report import history as history_report
from harness.report import json as json_report
from harness.report import releases as releases_report
from harness.report.releases import Releases
from harness.serving.logs import Reading
from harness.verdict import Result, Verdict

WORST = (
    "\x1b]0;owned\x07", "\x1b[2J\x1b[31mred", "first\rPASS", "ab\x08\x08ok", "safe\u202egnp.exe",
    "\u2066x\u2069", "\ud800 alone", "a\nPASS  pr1 kernel", "tab\there", "\x9b31m", "\x85next", "\u2028line",
    "\ufeff", "\u200b",
    "a | b `c` <script>alert(1)</script> [red]x[/red] :smile: &#x202e; &lt;b&gt;", "](javascript:alert(1))",
    "![x](http://e.x/y.png)", "'\" onmouseover=alert(1) x=", "]]>", "<!--", "${{ x }}", "{{ 7 * 7 }}",
    "# head", "- item", "| --- |", "@everyone #1", "*b* _i_ ~~s~~", "\\`", "\x00", "\x7f", "x" * 2000,
)  # fmt: skip
_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp", "Lu", "Po", "Sm")
HOSTILE = st.one_of(
    st.sampled_from(WORST),
    st.text(
        st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Lu", "Po", "Sm")), min_size=1, max_size=12
    ),
)
FEW = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)  # fmt: skip
AT = datetime(2026, 1, 2, tzinfo=UTC)


def arm(name: str, text: str, *violations: Fault) -> Observation:
    """An arm in which every text that can be is the hostile one."""
    module = Module(name=text, path=text, sha256=text)
    proof = Attestation(tree=text, root=text, modules=(module,), entered=(text,), patches=(text,))
    whole = replace(proof, processes={text: proof})
    point = Point(
        params={"param": text}, faults=violations, findings=violations,
        results={text: text, "requests": {text: {"tokens": [text]}}},
        compared={text: {"inner": text}}, notes=(text,), trace=({"event": text, text: text},),
    )  # fmt: skip
    other = replace(point, params={"param": text + "x"})
    exit = Exit(how="exception", code=1, signal=text, message=text)
    return Observation(arm=name, exit=exit, points=(point, other), attestation=whole, log=text, seconds=1.0)


def result(text: str, verdict: Verdict | None) -> Result:
    kind = min(FaultKind)
    seen = Sighting(place=text, mode=text, requests=(text,))
    fault = Fault(
        kind=kind,
        buffer=text,
        kernel=text,
        process=text,
        message=text,
        numel=4,
        first=1,
        last=9,
        count=3,
        seen=seen,
    )
    return Result(
        key=CaseKey(text, Tier.KERNEL, CPU), params={"param": text}, verdict=verdict, reason=text,
        drift=(text,), fixed=arm("fixed", text), reverted=arm("reverted", text, fault),
        rates={"reverted": {"faults": 1, "runs": 2, "low": 0.1, "high": 0.9}},
    )  # fmt: skip


def document(text: str) -> Document:
    results = tuple(result(text, verdict) for verdict in (*Verdict, None))
    about = {"version": text, "origin": text, "tree": text, "root": text, "branch": text}
    return Document(
        refault=text, run=text, sglang=about, at=AT,
        machine={"platform": "cpu", "hardware": text, "other": [text]},
        results=results, digest=text, name=text,
    )  # fmt: skip


def nights(text: str) -> Series:
    def night(verdict: Verdict, seconds: float) -> Night:
        own = {"fixed": ArmNight(seconds=seconds, faults=0, runs=2)}
        return Night(
            at=AT,
            sglang=text,
            tree=text,
            verdict=verdict,
            reason=text,
            seconds=seconds,
            arms=own,
            hardware=text,
        )

    past = (*(night(Verdict.PASS, 1.0) for _ in range(4)), night(Verdict.REGRESSED, 60.0))
    where = f"clone {text}, branch {text}"
    return Series(
        key=CaseKey(text, Tier.KERNEL, CPU), line=where, host=text,
        params=json.dumps({"param": text}), nights=past,
    )  # fmt: skip


def measured(text: str) -> Releases:
    one = Cell(
        reproducer=text,
        bug=Bug(pr=1, fixed_in="0.5.8", symptom="x"),
        release="0.5.9",
        status=Status.AFFECTED,
        revert=Applies.STALE,
        reason=text,
    )
    return Releases(
        name=text,
        refault=text,
        platform=text,
        cells=(one,),
        likeness=((text, text),),
        disagreements=(text,),
    )


def decision(text: str) -> Decision:
    entry = Entry(
        reproducer=text, tier="any", platform=CPU, verdict=Verdict.REGRESSED, reason=text, remedy=text
    )
    lists = ("blocking", "quarantined", "let_through", "passed", "not_yet_asked", "unasked")
    return Decision(
        build=Build(version=text, tree=text), policy=Policy(name=text, digest=text, require=()),
        platforms=(CPU,), sources=(text,), **dict.fromkeys(lists, (entry,)),
    )  # fmt: skip


# --- what is written ---------------------------------------------------------------------------------------


def on_terminal(draw: Callable[[Any], object], *, boxes: bool) -> str:
    """What is drawn, on a terminal that has no colours: rich itself then writes no control at all."""
    out = io.StringIO()
    console = terminal.console(out)
    console._force_terminal, console._color_system = boxes, None
    draw(console)
    return out.getvalue()


def as_terminal(text: str) -> Iterator[str]:
    results = list(document(text).results)
    yield on_terminal(lambda to: terminal.show(results[:3], to, detail=True), boxes=True)
    yield on_terminal(lambda to: terminal.show(results, to, detail=True), boxes=False)
    yield on_terminal(lambda to: history_report.show([nights(text)], to), boxes=True)
    yield on_terminal(lambda to: terminal.say(to, releases_report.lines(measured(text))), boxes=True)
    yield on_terminal(lambda to: terminal.say(to, gate.lines(decision(text))), boxes=False)
    fault = Fault(kind="crash", message=text, process=text)
    reading = Reading(faults=(fault,), lacking=text, storage=text)
    yield on_terminal(lambda to: triage.show(reading, (), to), boxes=True)


def as_markdown(text: str) -> Iterator[str]:
    yield markdown.render([document(text)], [nights(text)], [measured(text)])
    yield gate.markdown(decision(text))


def as_html(text: str) -> Iterator[str]:
    yield html.render([document(text)], html.Sources(history=[nights(text)]), [measured(text)])
    yield gate.page(decision(text))


def violation(written: str, keep: str) -> list[str]:
    return sorted({letter for letter in written if not letter.isprintable() and letter not in keep})


@FEW
@example(text=WORST[0])
@example(text=WORST[4])
@given(text=HOSTILE)
def test_no_control_reaches_a_terminal(text: str) -> None:
    for written in as_terminal(text):
        assert violation(written, "\n") == []


@pytest.mark.parametrize("text", ["x\nPASS forged", "x\rPASS forged", "x\u2028PASS forged"])
def test_no_text_makes_a_line_of_its_own(text: str) -> None:
    for written in as_terminal(text):
        assert not any(line.strip(" │|").startswith("PASS forged") for line in written.splitlines())


def test_what_rich_itself_draws_is_held_too() -> None:
    table = Table("\x1b[31m", title=Text("\u202e"))
    table.add_row("[red]\x1b]0;x\x07[/red]")
    written = on_terminal(lambda to: to.print(table, "\x9b"), boxes=True)
    assert violation(written, "\n") == [] and "[red]" in written


@FEW
@given(text=HOSTILE)
def test_nothing_in_markdown_is_obeyed(text: str) -> None:
    for written in as_markdown(text):
        assert violation(written, "\n") == []
        tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(written)
        inline = [one for token in tokens for one in token.children or ()]
        kinds = {one.type for one in inline}
        assert kinds <= {"text", "softbreak", "strong_open", "strong_close", "code_inline"}, kinds
        blocks = {token.content.strip() for token in tokens if token.type == "html_block"}
        assert blocks <= {"<details><summary>The others</summary>", "</details>"}
        assert "heading_open" in {token.type for token in tokens}


@pytest.mark.parametrize("text", WORST)
def test_a_table_keeps_its_columns(text: str) -> None:
    for written in as_markdown(text):
        rows = [line for line in written.split("\n") if line.startswith("| ")]
        cells = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in rows}
        assert cells <= {3, 6, 7}, cells


class _Read(HTMLParser):
    """What a browser would find: elements, and those of their attributes that are obeyed."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.obeyed = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            odd = name.startswith("on") or (
                name in ("href", "src") and not re.match("https://github|#(r|verdicts|matrix)", value or "")
            )
            self.obeyed += [f"{tag} {name}={value}"] if odd else []
        self.obeyed += [tag] if tag in ("img", "iframe", "b-bad", "object", "embed") else []


def read(page: str) -> _Read:
    parser = _Read()
    parser.feed(page)
    return parser


@FEW
@given(text=HOSTILE)
def test_nothing_in_html_is_obeyed(text: str) -> None:
    for written, plain in zip(as_html(text), as_html("plain"), strict=True):
        assert violation(written, "\n\t") == []
        assert written.encode("utf-8")
        seen = read(written)
        assert seen.obeyed == [] and seen.scripts == read(plain).scripts


@FEW
@given(text=HOSTILE)
def test_junit_is_xml_whatever_is_in_it(text: str) -> None:
    written = junit.render([document(text)])
    assert violation(written, "\n") == []
    assert len(list(ElementTree.fromstring(written).iter("testcase"))) == len(Verdict) + 1


@FEW
@given(text=HOSTILE)
def test_the_json_keeps_every_text_as_it_was(text: str) -> None:
    told = json_report.document([result(text, Verdict.REGRESSED)], {"platform": text}, {"version": text})
    written = json.dumps(told, indent=1, allow_nan=False)
    assert violation(written, "\n") == [] and json.loads(written) == told
    assert json.loads(written)["results"][0]["reason"] == text


# --- the one way --------------------------------------------------------------------------------------------

APART = {
    "report/telling.py",  # the one way, and
    "report/terminal/lines.py",  # the one with rich
    "documents/__main__.py",  # a schema of Refault's own
    "source/known.py",  # digests, for its own table
    "source/age.py",  # paths of published releases, for its own table
    "source/bytecode.py",  # a digest, to the process that started it
    "process/warm/lending.py",  # what a supervisor says at its end, as the interpreter would
    "serving/prepared.py",  # what a server says at its end, into its log, as the interpreter would
}
_ROOT = Path(next(iter(harness.__path__)))


def printing(module: Path) -> list[int]:
    """The lines of a module that print by themselves."""
    calls = [
        node for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    own = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    drawn = [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("print", "write")
        and ast.unparse(call.func.value)
        in ("console", "self._console", "progress", "sys.stdout", "sys.stderr")
    ]
    return [call.lineno for call in (*own, *drawn)]


def test_text_is_printed_in_one_place() -> None:
    """Drawing and the JSON on standard output apart: the console itself, and json.dumps, escape there."""
    modules = [path for path in _ROOT.rglob("*.py") if "tests" not in path.parts]
    found = {str(path.relative_to(_ROOT)) for path in modules if printing(path)} - APART
    assert found == {"report/terminal/drawing.py", "report/json.py"}
