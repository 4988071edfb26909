"""The imports that forms of a module have in common at their top."""

from pathlib import Path

import pytest

from harness.source import leading

HEAD = '"""Of pages."""\nfrom __future__ import annotations\n\nimport json\nfrom os import path\n'


def _run(tmp_path: Path, *sources: str) -> set[str]:
    files = [tmp_path / f"{number}.py" for number, _ in enumerate(sources)]
    for file, source in zip(files, sources, strict=True):
        file.write_text(source)
    names: dict[str, object] = {}
    exec(leading.alike(files), names)
    return names.keys() - {"__builtins__", "__doc__", "__annotations__", "annotations"}


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        (("x = 1\n", "x = 2\n"), {"json", "path"}),
        (("import ast\nx = 1\n", "import ast\nx = 2\n"), {"json", "path", "ast"}),
        (("import ast\n", "import dis\n"), {"json", "path"}),
        (("\nimport ast\n", "import ast\n"), {"json", "path"}),
        (("x = 1\nimport ast\n", "x = 1\nimport ast\n"), {"json", "path"}),
        (("", "import ast\n"), {"json", "path"}),
    ],
)
def test_they_end_where_the_forms_differ_or_do_more(
    rest: tuple[str, str], names: set[str], tmp_path: Path
) -> None:
    assert _run(tmp_path, *(HEAD + one for one in rest)) == names


def test_what_only_type_checkers_import_ends_nothing(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import absent\nimport json\n"
    assert _run(tmp_path, source, source) == {"TYPE_CHECKING", "json"}
    otherwise = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import json\n"
    assert _run(tmp_path, otherwise, otherwise) == {"TYPE_CHECKING"}


@pytest.mark.parametrize("other", ["def (", "x = '\0'", None])
def test_nothing_comes_of_a_form_that_is_no_python(other: str | None, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(HEAD)
    if other is not None:
        (tmp_path / "other.py").write_text(other)
    names: dict[str, object] = {}
    exec(leading.alike([tmp_path / "one.py", tmp_path / "other.py"]), names)
    assert "json" not in names
