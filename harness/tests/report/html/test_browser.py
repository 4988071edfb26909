"""The page in a real browser: what is drawn, filters, keyboard, phone, dark, and thousands of results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report import releases
from harness.report.html import Sources, render
from harness.tests.report.html import browser
from harness.tests.report.html.browser import Browser
from harness.tests.report.matrices import BEFORE, BUG, matrix_file
from harness.tests.report.runs import lost, passing, regressed, run, unsupported
from harness.tests.samples import named

MANY = 5000
SECONDS = 2.0

pytestmark = pytest.mark.skipif(
    browser.executable() is None and not browser.is_required(),
    reason="no Chromium on this machine: install one, or set REFAULT_BROWSER",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = browser.executable()
    if path is None:
        pytest.fail("no Chromium on this machine, and REFAULT_BROWSER=required: install one", pytrace=False)
    with browser.started(path, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    matrices = releases.split([matrix_file(folder)], {BUG.id: BUG})[1]
    document = run(passing(), regressed(reproducer="pr2_lost_fix"), lost(), unsupported(platform="rocm"))
    path.write_text(render([document], Sources(), matrices), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(chromium: Browser, report: str) -> Browser:
    chromium.look(width=1280)
    chromium.open(report)
    return chromium


def rows_shown(page: Browser) -> list[str]:
    shown = "document.querySelectorAll('#verdicts > tbody:not([hidden])')"
    found = page.value(f"Array.from({shown}, one => one.dataset.v)")
    return list(found)


def test_one_result_alone_is_open(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(render([run(passing())], Sources()), encoding="utf-8")
    chromium.look(width=1280)
    chromium.open((tmp_path / "one.html").as_uri())
    assert chromium.value("document.querySelector('#r0 .stray').checkVisibility()") is True


def test_the_drawn_fault_has_its_numbers_and_its_proportions(opened: Browser) -> None:
    opened.value("document.querySelector('#r0 button').click()")
    stray = "#r0 .stray"
    assert opened.value(f"getComputedStyle(document.querySelector('{stray}')).backgroundImage") != "none"
    label = "document.querySelectorAll('#r0 .scale > div')"
    assert opened.value(f"Array.from({label}[2].children, one => one.textContent)") == [
        "stray",
        "8 … 11",
        "4 elements",
    ]
    width = "document.querySelector('#r0 {}').getBoundingClientRect().width"
    ratio = opened.value(width.format(".stray")) / opened.value(width.format(".buffer"))
    assert ratio == pytest.approx(4 / 8, rel=0.05)


def test_nothing_is_fetched(opened: Browser) -> None:
    opened.value("document.querySelectorAll('.row button').forEach(one => one.click())")
    assert opened.value("performance.getEntriesByType('resource').length") == 0


def test_filters_by_verdict_and_by_words(opened: Browser) -> None:
    assert rows_shown(opened) == ["REGRESSED", "UNRESOLVED", "UNSUPPORTED", "PASS"]
    opened.value("document.querySelector('[value=REGRESSED]').click()")
    assert rows_shown(opened) == ["REGRESSED"]
    assert opened.value("document.getElementById('count').textContent") == "1 of 4 results shown"
    opened.value("document.querySelector('button[type=reset]').click()")
    opened.value("new Promise(done => setTimeout(done, 20))")
    opened.value("document.getElementById('search').focus()")
    opened.send("Input.insertText", text="LOST_fix")
    assert rows_shown(opened) == ["REGRESSED"]


def test_the_keyboard_reaches_and_opens_a_result(opened: Browser) -> None:
    opened.value("document.querySelector('[value=PASS]').focus()")
    for _ in range(12):
        opened.key("Tab", 9)
        if opened.value("document.activeElement.closest('.row') !== null"):
            break
    assert opened.value("document.activeElement.getAttribute('aria-expanded')") == "false"
    assert opened.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    opened.key("Enter", 13, "\r")
    assert opened.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert opened.value("document.querySelector('.more.open article') !== null")


def test_a_link_to_a_result_opens_it(chromium: Browser, report: str) -> None:
    chromium.look(width=1280)
    chromium.open(f"{report}#r3")
    assert chromium.value("document.querySelector('#r3 .more').classList.contains('open')")


def test_what_a_result_holds_does_not_run(opened: Browser) -> None:
    opened.value("document.querySelectorAll('.row button').forEach(one => one.click())")
    assert (
        opened.value("document.title")
        == "Refault: 1 REGRESSED, 1 UNRESOLVED, 1 UNSUPPORTED, 1 PASS, 1 of the matrix disagree"
    )


def test_copying_leaves_the_command_in_the_clipboard_or_selected(opened: Browser) -> None:
    """From a file:// address a browser may refuse the clipboard; then the text is selected."""
    opened.value("document.querySelector('#r0 button').click()")
    opened.value("document.querySelectorAll('#r0 details').forEach(one => { one.open = true })")
    opened.value("document.querySelector('#r0 .copy').click()")
    said = "document.querySelector('#r0 .copy').textContent"
    wait = f"const look = () => {said} === 'Copy' ? setTimeout(look, 10) : done(1); look()"
    opened.value(f"new Promise(done => {{ {wait} }})")
    assert opened.value(said) in ("Copied", "Selected")
    command = opened.value("document.querySelector('#r0 .command code').textContent")
    assert opened.value(said) == "Copied" or opened.value("String(getSelection())") == command


def test_the_matrix_is_a_table_that_a_keyboard_can_scroll(opened: Browser) -> None:
    heads = "document.querySelectorAll('.matrix th[scope=row]')"
    assert BEFORE in opened.value(f"Array.from({heads}, one => one.textContent)")
    assert opened.value("document.querySelector('.matrix .scroll').tabIndex") == 0
    assert opened.value("document.querySelector('.matrix .scroll').getAttribute('aria-label')")


def test_on_a_phone_nothing_runs_out_of_the_screen(opened: Browser) -> None:
    opened.look(width=390, height=844, mobile=True)
    opened.value("document.querySelectorAll('.row button').forEach(one => one.click())")
    opened.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert opened.value("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(opened: Browser, dark: bool) -> None:
    """WCAG 2.1 wants a contrast of 4.5 for text."""
    opened.look(width=1280, dark=dark)
    opened.value("document.querySelectorAll('.row button').forEach(one => one.click())")
    for selector in (
        "body",
        ".aside",
        ".row .good",
        ".row .bad",
        ".row .odd",
        ".row .idle",
        ".badge.bad",
        "a",
        ".notice.bad",
        ".matrix .status",
        ".matrix b.bad",
    ):
        assert opened.value(_CONTRAST.format(selector=selector)) >= 4.5, selector


def test_thousands_of_results_open_in_time(chromium: Browser, tmp_path: Path) -> None:
    """In processor time of the page: other work on the machine is not the page's."""
    kinds = (passing(), regressed(), lost(), unsupported())
    rows = (named(kinds[index % 4], f"pr{index}_pages") for index in range(MANY))
    document = replace(run(), results=tuple(rows))
    path = tmp_path / "many.html"
    path.write_text(render([document], Sources()), encoding="utf-8")
    chromium.look(width=1280)
    chromium.send("Performance.enable", timeDomain="threadTicks")
    before = _task_seconds(chromium)
    chromium.open(path.as_uri())
    after = _task_seconds(chromium)
    assert chromium.value("document.querySelectorAll('#verdicts > tbody').length") == MANY
    assert (after - before if after >= before else after) < SECONDS
    chromium.value("document.querySelector('#r4999 button').click()")
    wanted = "document.querySelector('#r4999 .strip') ? done(true) : setTimeout(look, 10)"
    assert chromium.value(f"new Promise(done => {{ const look = () => {wanted}; look() }})")


def _task_seconds(page: Browser) -> float:
    metrics = page.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


_CONTRAST = """(() => {{
  const light = (rgb) => {{
    const linear = (one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }};
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const element = document.querySelector("{selector}");
  let ground = element;
  while (numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
  const pair = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
  const [one, other] = pair.map((colour) => light(numbers(colour).slice(0, 3))).sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}})()"""
