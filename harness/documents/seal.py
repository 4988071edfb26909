"""The digest that a document carries: it tells damage, not forgery, for which there are signatures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FORMAT = 2
"""1 had no digest and no run: what it says cannot be held against anything."""


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the digest of everything else in it."""
    return {**document, "digest": digest(document)}


def digest(document: Mapping[str, Any]) -> str:
    """sha256 of a document's canonical JSON, its own digest left out."""
    told = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
