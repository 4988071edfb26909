from __future__ import annotations

import pytest

pytest_plugins = ["harness.plugin"]

SECOND = "gfx950"
"""A chip whose rows differ from gfx942's in single instructions: `make reproduce` and the night run them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the rows of the second chip to the night."""
    from harness.plugin import CaseItem  # imported ahead of pytest it would warn

    for item in items:
        if isinstance(item, CaseItem) and item.name.endswith(SECOND):
            item.add_marker("nightly")
