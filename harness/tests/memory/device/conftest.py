"""torch's compiler makes a folder for all programs of the user, on import and at work: here it goes again."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator

import pytest

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"

with tempfile.TemporaryDirectory() as _folder, pytest.MonkeyPatch.context() as _variables:
    _variables.setenv(VARIABLE, _folder)
    importlib.import_module("torch._inductor.config")


@pytest.fixture(scope="package", autouse=True)
def _compiles_in_a_folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv(VARIABLE, str(tmp_path_factory.mktemp("inductor")))
        yield
