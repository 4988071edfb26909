"""The scan for the store of #23596 finds the kernel of upstream that holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.nightly  # harness/tests/sweep shows the same of the toy
def test_upstreams_every_decode_holds_the_store(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    words = ["sweep", "23596", "--others", "attention.kv_indices", "--json", str(found)]
    command = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    stores = {one["kernel"]: one for one in json.loads(found.read_text())["others"]["candidates"]}
    decode = stores["create_flashinfer_kv_indices_triton"]
    assert (decode["argument"], decode["value"], decode["element"]) == ("kv_indices_ptr", "i32", "i64")
    assert decode["conversion"] == "sign-extended"
    assert not decode["named"] and decode["dtypes"]["token_mapping"] == "i32"  # assumed
    assert stores["create_flashmla_kv_indices_triton"]["named"]
