"""The document that `--json` writes: its form, its digest, and how it is read back."""

from harness.documents.reading import Document, load, load_all, oldest_first, parse, read
from harness.documents.seal import FORMAT, sealed

__all__ = [
    "FORMAT",
    "Document",
    "load",
    "load_all",
    "oldest_first",
    "parse",
    "read",
    "sealed",
]
