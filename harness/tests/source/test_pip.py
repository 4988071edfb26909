"""What is told of a download that failed."""

from __future__ import annotations

import sys

import pytest

from harness.errors import BadInput
from harness.source import pip

FULL = """\
Collecting toy==1.2.3
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device

[notice] Some advice of pip's
     ━━━━━━━━━━ 11.9/11.9 MB 262.7 MB/s eta 0:00:00
"""


def failing(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip end with 1 and these words."""
    script = f"import sys; sys.stderr.write({said!r}); sys.exit(1)"
    monkeypatch.setattr(pip, "_PIP", (sys.executable, "-X", "utf8", "-c", script))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            FULL,
            r"toy 1\.2\.3 cannot be fetched \(Could not install .*: \[Errno 28\] No space left on device\)",
        ),
        ("some\nother end\n", r"cannot be fetched \(other end\): see that pip works here"),
        ("", r"cannot be fetched \(it left no word\)"),
        ("ERROR: x (from versions: none)", "no package index answers: connect"),
    ],
)
def test_pips_own_error_is_told(
    said: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    failing(said, monkeypatch)
    with pytest.raises(BadInput, match=told):
        pip.download("toy", "1.2.3", tmp_path_factory.mktemp("to"))
