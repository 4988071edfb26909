"""What no edit of a function's body can say."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from harness.draft.module import Function, Module, bare, short
from harness.source.symbols import definitions


@dataclass(frozen=True)
class Left:
    """A difference that no edit takes back; `function` is where it is, if it is in the body of one."""

    text: str
    function: str | None = None


def outside(old: Module, new: Module) -> Iterator[Left]:
    """Differences outside of functions, and of functions as a whole."""
    for name, _ in sorted(old.outer - new.outer):
        yield Left(f"the fix added {name}: it stays, and nothing may need it once the edits are undone")
    for name, _ in sorted(new.outer - old.outer):
        yield Left(f"the fix removed {name}: what called it needs another way")
    for key in [key for key in old.functions if key in new.functions]:
        if _head(old.functions[key]) != _head(new.functions[key]):
            yield Left(f"the fix changed the signature or the decorators of {key[0]}: that stays")
    added, removed = _plain(old), _plain(new)
    for where, text in [one for one in added if one not in removed]:
        yield Left(f"the fix has `{short(text)}` in {where}: it stays")
    for where, text in [one for one in removed if one not in added]:
        yield Left(f"before the fix, {where} had `{short(text)}`: it does not come back")


def _plain(module: Module) -> list[tuple[str, str]]:
    """The statements of the module and of its classes, without functions, each with its place."""
    found = definitions(module.syntax)
    classes = [(f"class {name}", node.body) for name, node in found if isinstance(node, ast.ClassDef)]
    blocks = [("the module", module.syntax.body), *classes]
    hollow = [(where, _hollow(node)) for where, body in blocks for node in body]
    return [(where, text) for where, text in hollow if text]


def _hollow(node: ast.stmt) -> str:
    """A statement without the bodies of functions and classes; nothing for a function or a docstring."""
    if isinstance(node, Function) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return ""
    return ast.unparse(_Hollower().visit(copy.deepcopy(node)))


class _Hollower(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node


def _head(function: Function) -> str:
    returns = ast.dump(function.returns) if function.returns else ""
    return f"{bare(function.args)} {returns} {[ast.dump(one) for one in function.decorator_list]}"
