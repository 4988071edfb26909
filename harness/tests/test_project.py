"""The repository keeps its own promises: commands, pins, licence, layout, imports."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness import __version__, catalogue
from harness.cli import load

ROOT = Path(__file__).parents[2]
TOP = {
    "pyproject.toml", "harness", "reproducers", "golden", "conftest.py", "ci", "Makefile", "docs",
    "README.md", "CHANGELOG.md", "LICENSE",
}  # fmt: skip
DOTFILES = {".ci", ".editorconfig", ".gitattributes", ".github", ".gitignore"}
HOSTS = {"github.com", "www.apache.org", "json-schema.org"}
"""Hosts that files may name; package registries are a matter of the machine's pip."""
UNTAKEN = {"sglang"}
"""Distributions whose own list of requirements is deliberately not followed."""


def _project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def _tracked() -> list[Path]:
    """Files that are or would be in the repository; skips where git does not know it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git repository")
    found = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in found.split("\0") if name and (ROOT / name).is_file()]


def _pins() -> list[tuple[str, str]]:
    lines = [
        line
        for file in sorted((ROOT / "ci/requirements").glob("*.txt"))
        for line in file.read_text().splitlines()
    ]
    return [(line.partition("==")[0], line) for line in lines if line and not line.startswith("#")]


def _pinned() -> dict[str, str]:
    return {canonicalize_name(name): line.partition("==")[2] for name, line in _pins()}


# --- layout --------------------------------------------------------------------------------


def test_nothing_foreign_at_the_top() -> None:
    tops = {file.relative_to(ROOT).parts[0] for file in _tracked()}
    assert tops - TOP - DOTFILES == set()


def test_what_is_promised_is_there() -> None:
    assert {name for name in TOP - {"golden", "docs"} if not (ROOT / name).exists()} == set()


def test_conftest_is_one_line_that_loads_the_plugin() -> None:
    assert (ROOT / "conftest.py").read_text() == 'pytest_plugins = ["harness.plugin"]\n'


def test_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n" in text and "Version 2.0, January 2004" in text and "END OF TERMS" in text
    assert _project()["license"] == "Apache-2.0"


def test_changelog_opens_with_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == __version__


# --- what files say ------------------------------------------------------------------------

MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|home|work|Users|opt|mnt)/\w[\w./-]*")
URL_HOST = re.compile(r"\bhttps?://([\w.-]+\.[a-z]{2,})")
REGISTRY = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|(?:extra-)?index-url|find-links)\b")


def _texts() -> Iterator[tuple[Path, str]]:
    for file in _tracked():
        if file != Path(__file__) and file.suffix != ".png":
            yield file.relative_to(ROOT), file.read_text(encoding="utf-8")


def _found(pattern: re.Pattern[str]) -> dict[str, list[str]]:
    return {str(file): found for file, text in _texts() if (found := pattern.findall(text))}


@pytest.mark.parametrize(
    ("pattern", "sample"),
    [(MACHINE_PATH, "see /home/someone/refault"), (REGISTRY, "pip install --index-url x")],
    ids=["path", "registry"],
)
def test_no_file_names_a_machine(pattern: re.Pattern[str], sample: str) -> None:
    assert pattern.search(sample)
    assert _found(pattern) == {}


def test_files_name_known_hosts_only() -> None:
    named = {host for hosts in _found(URL_HOST).values() for host in hosts}
    assert "github.com" in named
    assert named - HOSTS == set()


# --- README --------------------------------------------------------------------------------


def _commands() -> list[list[str]]:
    """What README tells to type, without comments and with placeholders filled in."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    typed = [
        shlex.split(line.replace("<number>", "1"), comments=True)
        for line in lines
        if re.match(r"(make|refault)\b", line)
    ]
    return [words for words in typed if words]


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_readme_gives_both_commands() -> None:
    assert ["make", "reproduce"] in _commands() and ["make", "test"] in _commands()


@pytest.mark.parametrize("words", [words for words in _commands() if words[0] == "make"], ids=" ".join)
def test_readme_names_targets_that_exist(words: list[str]) -> None:
    assert set(words[1:]) <= _targets()


@pytest.mark.parametrize(
    "words", [words for words in _commands() if words[0] == "refault" and words[1:]], ids=" ".join
)
def test_readme_names_commands_that_parse(words: list[str]) -> None:
    command = load(words[1])
    _, rest, _ = command.make_parser(click.Context(command)).parse_args(words[2:])
    assert rest == []


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _links(page: Path) -> list[str]:
    return re.findall(r"\]\((?!http)([^)#]+)", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if not (page.parent / link).exists()] == []


def test_the_index_has_every_page() -> None:
    pages = {page.name for page in (ROOT / "docs").iterdir() if page.suffix != ".png"}
    assert set(_links(ROOT / "docs/README.md")) == pages - {"README.md"}


def test_readme_leads_through_its_sections_in_order() -> None:
    sections = re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sections == [
        "The two commands",
        "Reproduce one bug",
        "Reproduce one bug on a server",
        "Add a bug",
        "Gate a release",
        "Read on",
    ]


# --- make and CI ---------------------------------------------------------------------------


def _make(*words: str) -> str:
    done = subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, env=_plain_environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _plain_environment() -> dict[str, str]:
    """Without what an outer make hands down to the makes below it."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "GNUMAKE"))
    }


def test_make_alone_lists_every_target() -> None:
    listed = set(re.findall(r"^make ([\w-]+)", _make(), re.MULTILINE))
    assert listed == _targets()


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", str(script)], check=True)
    assert script.read_text().splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("target", ["test", "reproduce", "lint"])
def test_a_target_sets_up_first(target: str) -> None:
    """In a checkout without .venv (asked of make by another name for it) set-up comes before the rest."""
    planned = _make("-n", target, "VENV=build/no-such-venv")
    assert (
        planned.index("torch.txt")
        < planned.index("--no-deps")
        < planned.index("--editable")
        < planned.rindex("bin/")
    )


def test_a_set_up_says_sizes_and_shows_pips_progress_on_a_terminal_alone() -> None:
    words = ["-n", "setup", "VENV=build/no-such-venv"]
    assert _make(*words).count(" -qq ") == 3 and "1 of 2: torch, 0.8 GB" in _make(*words)
    ours, theirs = os.openpty()
    with open(ours, "rb"), open(theirs, "wb") as terminal:
        shown = subprocess.run(
            ["make", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, text=True, check=True,
            env=_plain_environment(),
        ).stdout  # fmt: skip
    assert shown.count(" -m pip ") == 3 and "-qq" not in shown


def test_the_ready_stamp_is_written_last() -> None:
    planned = _make("-n", "setup", "VENV=build/no-such-venv").splitlines()
    made = [number for number, line in enumerate(planned) if line.startswith("touch ")]
    installed = [number for number, line in enumerate(planned) if "pip" in line]
    assert len(made) == 2 and max(installed) < made[1] and installed[1] < made[0]


# --- dependencies --------------------------------------------------------------------------


def test_every_pin_is_exact() -> None:
    assert _pins() and [line for _, line in _pins() if not re.fullmatch(r"[\w.-]+==\d[\w.]*", line)] == []


def test_nothing_is_pinned_twice() -> None:
    assert len(_pinned()) == len(_pins())


def test_the_promised_versions() -> None:
    pinned = _pinned()
    promised = {"torch": "2.13.0", "triton": "3.6.0", "sglang": "0.5.23", "numpy": "2.3.5"}
    assert {name: pinned[name] for name in promised} == promised


def test_no_pin_is_an_accelerators() -> None:
    assert [
        name for name in _pinned() if re.match(r"nvidia|cuda|cupy|flashinfer|sglang-kernel|sgl-kernel", name)
    ] == []


def test_pins_need_nothing_that_is_not_pinned() -> None:
    """They are installed without dependencies, so their own needs have to be in the list."""
    pinned = _pinned()
    wanting = {
        name: missing for name in pinned if name not in UNTAKEN and (missing := _needs(name) - pinned.keys())
    }
    assert wanting == {}


def _needs(name: str) -> set[str]:
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return set()  # somebody's own environment, which need not have all of the stack
    needs = map(Requirement, lines)
    return {
        canonicalize_name(need.name)
        for need in needs
        if not need.marker or need.marker.evaluate({"extra": ""})
    }


def test_refault_alone_replaces_nothing_of_an_sglang_environment() -> None:
    needs = [Requirement(line) for line in _project()["dependencies"]]  # type: ignore[attr-defined]
    assert {need.name for need in needs} == {
        "click", "jinja2", "libcst", "packaging", "pyflakes", "rich",
    }  # fmt: skip
    assert {spec.operator for need in needs for spec in need.specifier} == {">="}
    assert all(need.specifier.contains(_pinned()[need.name]) for need in needs)


# --- imports -------------------------------------------------------------------------------

PLANTED = {
    "harness/errors.py": "import harness.suite",
    "reproducers/rigs/__init__.py": "import harness.machine",
    "harness/stray.py": '"""In no layer."""',
}


def _lint_imports(where: Path) -> subprocess.CompletedProcess[str]:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", script], cwd=where, capture_output=True, text=True)


def test_imports_go_down_only() -> None:
    done = _lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_import_breaks_the_contract(name: str, tmp_path: Path) -> None:
    for package in ("harness", "reproducers"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "tests")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write(f"\n{PLANTED[name]}\n")
    done = _lint_imports(tmp_path)
    assert done.returncode == 1 and "BROKEN" in done.stdout, done.stdout + done.stderr


def test_reproducers_import_no_upstream_at_their_top() -> None:
    allowed = set(sys.stdlib_module_names) | {"harness", "reproducers"}
    foreign = {
        f"{file.name}: {name}"
        for file in sorted((ROOT / "reproducers").rglob("*.py"))
        if "tests" not in file.relative_to(ROOT).parts
        for name in _top_imports(ast.parse(file.read_text()))
        if name.partition(".")[0] not in allowed
    }
    assert foreign == set()


def _top_imports(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        if isinstance(statement, ast.ImportFrom):
            yield statement.module or ""


def test_text_is_read_and_written_in_a_stated_encoding() -> None:
    """Else a system whose text is ASCII reads other files, or none (seen on upstream's model modules)."""
    ours = [path for path in _tracked() if path.suffix == ".py" and "tests" not in path.parts]
    calls = [(path, call) for path in ours for call in _text_calls(ast.parse(path.read_text("utf-8")))]
    assert len(calls) > 20
    without = [f"{path}:{call.lineno}" for path, call in calls if not _names_encoding(call)]
    assert without == []


def _text_calls(module: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(module):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("read_text", "write_text"):
            assert isinstance(node, ast.Call)
            yield node


def _names_encoding(call: ast.Call) -> bool:
    place = 0 if isinstance(call.func, ast.Attribute) and call.func.attr == "read_text" else 1
    return len(call.args) > place or any(keyword.arg == "encoding" for keyword in call.keywords)


def test_listing_loads_no_upstream() -> None:
    script = (
        "import sys; from harness import cli, catalogue;"
        "[*map(cli.load, cli.COMMANDS)]; catalogue.load_all();"
        "print(sorted({'torch', 'triton', 'sglang', 'numpy', 'pytest'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# --- the distribution ----------------------------------------------------------------------


def test_the_wheel_carries_goldens_and_no_tests(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    if not catalogue.golden_folder().is_dir():
        pytest.skip("no goldens yet")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("refault-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    goldens = {file.relative_to(ROOT / "golden").as_posix() for file in (ROOT / "golden").rglob("*.json")}
    assert {f"reproducers/golden/{name}" for name in goldens} <= set(names)
    assert {name.partition("/")[0] for name in names} == {
        "harness",
        "reproducers",
        f"refault-{__version__}.dist-info",
    }
    assert [name for name in names if name.startswith(("harness/tests", "reproducers/tests"))] == []
