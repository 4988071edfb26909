"""Which modules can be imported where some others must not be."""

import sys
from pathlib import Path

import pytest

from harness.process import common


def test_only_what_asks_for_nothing_that_is_apart_is_common(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "c_plain": "",
        "c_asks": "import c_inner; import apart_x",
        "c_inner": "",
        "c_broken": "1 / 0",
        "c_threads": "import threading; threading.Thread(target=__import__('time').sleep, args=(1,)).start()",
        "apart_x": "",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = ["c_asks", "c_inner", "c_broken", "c_threads", "c_missing", "c_plain"]
    told = common.enter({"modules": asked, "apart": ["apart_x"]}, tmp_path)
    assert told == {"common": ["c_inner", "c_plain"]}
    assert "apart_x" not in sys.modules
