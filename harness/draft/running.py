"""What keeps the code without the fix from running, told before a draft is written.

Beside what any revert is held to (undefined names and calls that do not bind, in the edited modules) this
looks at the rest of the package: what it imports from them, calls of them, and passes to them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from harness.draft.module import Function
from harness.draft.searched import Searched
from harness.source import soundness
from harness.source.revert import Plan
from harness.source.symbols import definitions, module_name


def breaks(plan: Plan, searched: Searched, before: Mapping[str, str]) -> tuple[str, ...]:
    """Why the reverted code would not run, as far as is certain; `before` are the files' old texts."""
    root = f"{plan.tree.package}/"
    reverted = {path.removeprefix(root): data.decode("utf-8") for path, data in plan.files.items()}
    return tuple(
        dict.fromkeys(
            (
                *map(str, soundness.breaks(plan)),
                *_imports(searched, reverted),
                *_gone(searched, reverted, before),
                *_parameters(searched, reverted),
            )
        )
    )


def _fixed(searched: Searched, path: str) -> ast.Module:
    return _parsed(searched.source(path))


@lru_cache(maxsize=256)
def _parsed(source: str | bytes) -> ast.Module:
    return ast.parse(source)


# --- what the reverted modules import ------------------------------------------------------


def _imports(searched: Searched, reverted: Mapping[str, str]) -> Iterator[str]:
    """Imports that come back, of what the tree has not got any more."""
    for path, text in reverted.items():
        known = {ast.dump(node) for node in _from(_fixed(searched, path))}
        for node in _from(_parsed(text)):
            if ast.dump(node) not in known and (module := _absolute(searched, path, node)):
                yield from _lost(searched, reverted, module, node, path)


def _from(module: ast.Module) -> Iterator[ast.ImportFrom]:
    return (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom))


def _absolute(searched: Searched, path: str, node: ast.ImportFrom) -> str | None:
    """The module of the package that is imported from; None for another package's."""
    name, package = node.module or "", searched.tree.package
    if node.level:
        parts = [package, *path.split("/")[:-1]]
        kept = parts[: len(parts) - node.level + 1]
        return ".".join([*kept, *([name] if name else [])])
    return name if name.partition(".")[0] == package else None


def _lost(
    searched: Searched, reverted: Mapping[str, str], module: str, node: ast.ImportFrom, at: str
) -> Iterator[str]:
    where = f"in {module_name(searched.tree, at)}"
    home = searched.file(module)
    if home is None:
        if not searched.is_folder(module):
            yield f"`{ast.unparse(node)}` {where} comes back, and the tree has no {module}"
        return
    text = reverted.get(home) or searched.source(home)
    names = _bound(_parsed(text))
    for one in node.names:
        inner = f"{module}.{one.name}"
        if one.name not in names and not names & {"*", "__getattr__"} and not searched.file(inner):
            yield f"`{one.name}` is imported again {where}, and {module} has it no more"


def _bound(module: ast.Module) -> set[str]:
    """Every name that a module may hand out."""
    found = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    found |= {name.rpartition(".")[2] for name, _ in definitions(module)}
    aliases = [
        one
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    ]
    return found | {(one.asname or one.name).partition(".")[0] for one in aliases}


# --- what is no longer there ---------------------------------------------------------------


def _gone(searched: Searched, reverted: Mapping[str, str], before: Mapping[str, str]) -> Iterator[str]:
    """Names that the revert takes away and others use, and names that it uses and does not bring back."""
    for path, text in reverted.items():
        lost = _given(_fixed(searched, path)) - _given(_parsed(text))
        for name in sorted(lost):
            yield from _missed(searched, reverted, path, name)
    again = set[str]().union(*(_methods(_parsed(text)) for text in reverted.values()), set())
    wanted = set[str]().union(*(_methods(_parsed(text)) for text in before.values()), set()) - again
    for name in sorted(name for name in wanted if not searched.mentioning(name)):
        for path, text in reverted.items():
            if f".{name}" in text and f".{name}" not in searched.source(path).decode("utf-8", "replace"):
                where = module_name(searched.tree, path)
                yield f"a use of `{name}` comes back in {where}, and its definition does not"


def _given(module: ast.Module) -> set[str]:
    """The names that a module defines for others: its own, and those of its classes' methods."""
    own = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    imported = {
        one.asname or one.name
        for node in module.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    }
    return own | imported | {name for name, _ in definitions(module)}


def _methods(module: ast.Module) -> set[str]:
    return {name.rpartition(".")[2] for name, _ in definitions(module)}


def _missed(searched: Searched, reverted: Mapping[str, str], path: str, name: str) -> Iterator[str]:
    """The first other module that uses a name which is taken away."""
    module, last = module_name(searched.tree, path), name.rpartition(".")[2]
    method = "." in name
    if method and len(searched.mentioning(last)) != 1:
        return  # what another class has under this name may be meant
    for other in searched.containing(last):
        text = reverted.get(other) or searched.source(other)
        if other == path and not method:
            continue  # undefined names of the module itself are told already
        uses = _uses_attribute if method else _imports_name
        if uses(text, last, module):
            user = module_name(searched.tree, other)
            yield f"{user} needs `{name}` of {module}, which the revert takes away"
            return


def _uses_attribute(text: str | bytes, name: str, module: str) -> bool:
    told = text.encode() if isinstance(text, str) else text
    if not re.search(rb"\.%s\b" % name.encode(), told):
        return False
    return any(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(_parsed(text)))


def _imports_name(text: str | bytes, name: str, module: str) -> bool:
    told = text.encode() if isinstance(text, str) else text
    last = module.rpartition(".")[2]
    if last.encode() not in told:
        return False
    for node in _from(_parsed(text)):
        home = node.module or ""
        if (home == module or (node.level and home.rpartition(".")[2] == last)) and any(
            one.name == name for one in node.names
        ):
            return True
    return False


# --- parameters ----------------------------------------------------------------------------


def _parameters(searched: Searched, reverted: Mapping[str, str]) -> Iterator[str]:
    """Calls, anywhere in the package, that pass by name what the reverted function takes no more."""
    for path, text in reverted.items():
        now, before = (dict(_functions(one)) for one in (_fixed(searched, path), _parsed(text)))
        for name in [name for name in now if name in before]:
            lost = _names(now[name]) - _names(before[name])
            if lost and not before[name].args.kwarg:
                yield from _passed(searched, reverted, name, lost, _names(now[name]))


def _functions(module: ast.Module) -> Iterator[tuple[str, Function]]:
    return ((name, node) for name, node in definitions(module) if isinstance(node, Function))


def _names(function: Function) -> set[str]:
    args = function.args
    return {one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)}


def _passed(
    searched: Searched, reverted: Mapping[str, str], name: str, lost: set[str], all_names: set[str]
) -> Iterator[str]:
    owner, _, last = name.rpartition(".")
    called = owner.rpartition(".")[2] if last == "__init__" else last
    for path in searched.containing(called):
        text = reverted.get(path) or searched.source(path)
        told = text.encode() if isinstance(text, str) else text
        if not any(one.encode() in told for one in lost):
            continue
        for node in ast.walk(_parsed(text)):
            if isinstance(node, ast.Call) and _called(node) == called:
                given = {one.arg for one in node.keywords if one.arg}
                if given & lost and given <= all_names:
                    where = f"{module_name(searched.tree, path)}, line {node.lineno}"
                    yield f"{where} passes `{min(given & lost)}` to {name}, which takes it no more"
                    return


def _called(call: ast.Call) -> str:
    """The last name of what is called; a kernel is called through its grid."""
    target = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
