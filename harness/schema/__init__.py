"""The forms of what Refault writes as JSON: what they are made of, and whether a value has one."""

from harness.schema.check import departure
from harness.schema.parts import Schema

__all__ = ["Schema", "departure"]
