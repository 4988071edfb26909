"""Find and rewrite one piece of a function by syntax: layout, quotes and brackets never matter."""

from harness.source.match.finding import find, functions, pattern
from harness.source.match.nodes import Piece
from harness.source.match.rewriting import rewrite
from harness.source.match.same import matches

__all__ = ["Piece", "find", "functions", "matches", "pattern", "rewrite"]
