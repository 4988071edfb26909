"""Prints the published schema of the JSON document."""

from harness.documents.schema import printed

print(printed(), end="")
