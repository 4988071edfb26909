"""Proof of what an arm ran: the bytes of each edited module as compiled, and which functions were entered.

It runs inside the arm's process before the code under test is imported.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from harness.errors import Unresolved
from harness.facts.revert import MODULE
from harness.observation import Attestation, Module
from harness.source import leading

_ENTERED = "__refault_entered__"
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Attestor:
    """Watches some modules being imported, and some of their functions being entered.

    `functions_by_module` names the functions by qualified name, nested ones after a plain dot; `class C` and
    `<module>` are the code of a class and of a module, which run as the module is imported.
    `on_change` is called whenever the report has something new, so that what was seen can be
    kept before a crash.
    """

    def __init__(
        self,
        tree_root: Path,
        package: str,
        functions_by_module: Mapping[str, Sequence[str]],
        tree_hash: str,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        strangers = [name for name in functions_by_module if name.partition(".")[0] != package]
        if strangers:
            raise Unresolved(f"{', '.join(strangers)} cannot be attested: not in {package}")
        self._root = tree_root
        self._functions = {module: frozenset(names) for module, names in functions_by_module.items()}
        self._tree_hash = tree_hash
        self._on_change = on_change
        self._parting: Callable[[], None] | None = None
        self._first, self._others = tree_root, tuple[Path, ...]()
        self._modules: dict[str, Module] = {}
        self._entered: set[str] = set()
        self._refused: list[str] = []

    def install(self) -> None:
        """Watch imports from now on. Unresolved if one of the modules was imported before."""
        early = [name for name in self._functions if name in sys.modules]
        if early:
            raise Unresolved(f"{', '.join(early)} was imported before it could be attested: attest first")
        sys.meta_path.insert(0, _Finder(self))

    def part(self, parting: Callable[[], None], others: Sequence[Path]) -> None:
        """Have arms part at the first watched module, behind the imports with which it begins in all of them.

        `others` are the roots of the other arms' trees. `parting` is called once, in what the arms have in
        common, and returns in each of them, where it has called `become`.
        """
        self._parting, self._others = parting, tuple(others)

    def become(
        self, root: Path, functions_by_module: Mapping[str, Sequence[str]], tree_hash: str,
        on_change: Callable[[], None],
    ) -> None:  # fmt: skip
        """Be one arm's: watched modules come from its tree, and the others stay those of the tree before."""
        self._root, self._tree_hash, self._on_change = root, tree_hash, on_change
        self._functions = {module: frozenset(names) for module, names in functions_by_module.items()}

    def reached(self, module: ModuleType, path: str) -> str:
        """Called when a watched module is to be executed, with its file; returns the arm's own file of it."""
        if self._parting:
            files = [root / os.path.relpath(path, self._first) for root in (self._first, *self._others)]
            exec(leading.alike(files), module.__dict__)
        self.apart()  # if those imports have not come to where arms part already
        return self.own(path)

    def apart(self) -> None:
        """Have arms part now, if they have not yet."""
        if parting := self._parting:
            self._parting = None
            parting()

    def own(self, path: str) -> str:
        """The same place in this arm's tree, of one in the tree that it was forked with."""
        inside = self._root != self._first and Path(path).is_relative_to(self._first)
        return str(self._root / os.path.relpath(path, self._first)) if inside else path

    def entered(self, name: str) -> None:
        """Mark the function with this qualified name as entered."""
        if name not in self._entered:
            self._entered.add(name)
            self._changed()

    def forget_entered(self) -> None:
        """Begin anew with what was entered, in a process that is a copy of another."""
        self._entered.clear()

    def loaded(self, name: str, path: Path, source: bytes) -> None:
        """Note the bytes that a module is compiled from."""
        relative = path.relative_to(self._base(path) or self._root).as_posix()
        self._modules[name] = Module(name=name, path=relative, sha256=hashlib.sha256(source).hexdigest())
        self._changed()

    @property
    def path(self) -> list[str]:
        """Where the package itself is looked for."""
        return [str(self._root)]

    def functions(self, module: str) -> frozenset[str] | None:
        """The watched functions of a module; None if the module is not watched."""
        return self._functions.get(module)

    def refuse_foreign(self, module: str, path: str) -> None:
        """Unresolved if a watched module was found outside the tree."""
        if self._base(Path(path)) is None:
            problem = (
                f"{module} was found outside the tree {self._root}, at {path}: put the tree first on the path"
            )
            self._refused.append(problem)
            self._changed()  # upstream may hide the exception
            raise Unresolved(problem)

    def report(self, patches: Sequence[str] = ()) -> Attestation:
        """What was seen so far. Unresolved if a module was refused, even if upstream hid that."""
        if self._refused:
            raise Unresolved(self._refused[0])
        modules = tuple(self._modules[name] for name in sorted(self._modules))
        seen = tuple(sorted(self._entered))
        return Attestation(
            tree=self._tree_hash, root=str(self._root), modules=modules, entered=seen, patches=tuple(patches)
        )

    def _base(self, path: Path) -> Path | None:
        """The tree's root as `path` spells it; None if the path is not below it.

        Links inside the tree are not followed: a reverted tree is made of links to its original.
        """
        bases = (Path(os.path.abspath(self._root)), Path(os.path.realpath(self._root)))
        return next((base for base in bases if Path(os.path.abspath(path)).is_relative_to(base)), None)

    def _changed(self) -> None:
        if self._on_change:
            self._on_change()


class _Finder(MetaPathFinder):
    def __init__(self, attestor: Attestor) -> None:
        self._attestor = attestor

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._attestor.functions(fullname) is None:
            return None
        places = self._attestor.path if path is None else list(map(self._attestor.own, path))
        spec = PathFinder.find_spec(fullname, places, target)
        if spec is not None and spec.origin is not None:
            self._attestor.refuse_foreign(fullname, spec.origin)
            spec.loader = _Loader(fullname, spec.origin, self._attestor)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, attestor: Attestor) -> None:
        super().__init__(fullname, path)
        self._attestor = attestor

    def get_code(self, fullname: str) -> CodeType:
        """Compile from source: bytecode would leave the bytes that it came from unproven."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        module = ast.parse(source, path)
        _mark(module, self._attestor.functions(fullname) or frozenset())
        code: CodeType = compile(module, path, "exec", dont_inherit=True)
        self._attestor.loaded(fullname, Path(os.path.abspath(path)), source)
        return code

    def exec_module(self, module: ModuleType) -> None:
        if (own := self._attestor.reached(module, self.path)) != self.path:
            _move(module, self.path, own)
            self.path = own
        module.__dict__[_ENTERED] = self._attestor.entered
        super().exec_module(module)


def _move(module: ModuleType, path: str, own: str) -> None:
    """Have a module that is about to be executed be of another file."""
    spec = module.__spec__
    assert spec is not None  # it was just found
    module.__file__ = spec.origin = own
    spec.cached = None
    module.__dict__["__cached__"] = None
    if spec.submodule_search_locations is not None:
        spec.submodule_search_locations[:] = [os.path.dirname(own)]


def _mark(module: ast.Module, functions: frozenset[str]) -> None:
    """Begin each of the functions with a call that marks it as entered, on a line it already has."""
    for name, function in _functions(module, ()):
        if name in functions and not any(map(_is_jit, function.decorator_list)):
            _begin(function, name)
    if MODULE in functions and module.body:
        _begin(module, MODULE)


def _begin(scope: _Scope | ast.Module, name: str) -> None:
    at = 1 if ast.get_docstring(scope, clean=False) is not None else 0
    while at < len(scope.body) and _is_future(scope.body[at]):
        at += 1
    neighbour = scope.body[min(at, len(scope.body) - 1)]
    scope.body.insert(at, _call(name, neighbour))


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _call(name: str, neighbour: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(_ENTERED, ast.Load()), [ast.Constant(name)], [])
    marker = ast.Expr(call)
    for node in ast.walk(marker):
        if isinstance(node, ast.expr | ast.stmt):
            ast.copy_location(node, neighbour)
    return marker


def _is_jit(decorator: ast.expr) -> bool:
    """Kernels are compiled from their source by others, so that a mark would end up on the device."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(target).endswith("jit")


def _functions(node: ast.AST, outer: tuple[str, ...]) -> Iterator[tuple[str, _Scope]]:
    for child in ast.iter_child_nodes(node):
        inside = outer
        if isinstance(child, _Scope):
            inside = (*outer, child.name)
            name = ".".join(inside)
            yield (f"class {name}" if isinstance(child, ast.ClassDef) else name), child
        if not isinstance(child, ast.expr):
            yield from _functions(child, inside)
