"""Find and rewrite one piece of a function by syntax: layout, quotes and brackets never matter."""

from harness.source.match.finding import Scope, find, functions, pattern
from harness.source.match.nodes import Piece
from harness.source.match.rewriting import Change, rewrite
from harness.source.match.same import matches

__all__ = ["Change", "Piece", "Scope", "find", "functions", "matches", "pattern", "rewrite"]
