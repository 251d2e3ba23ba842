"""Which fields the log has, read from the sources: every name that is given as ``extra`` to a line of it.

Where the names are put together elsewhere in the same file, that is followed; what cannot be, is named with a ``?``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["log_fields"]

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def log_fields(path: Path) -> set[str]:
    """The fields that the lines of one file have."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for call in _calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS:
            for keyword in call.keywords:
                if keyword.arg == "extra":
                    found |= set(_names(keyword.value, tree, frozenset()))
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _names(node: ast.expr, tree: ast.AST, seen: frozenset[str]) -> Iterator[str]:
    """The keys of what ``node`` is."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield from _names(value, tree, seen)
            else:
                yield str(key.value) if isinstance(key, ast.Constant) else f"?{ast.unparse(key)}"
    elif isinstance(node, ast.BinOp):
        for part in (node.left, node.right):
            yield from _names(part, tree, seen)
    elif isinstance(node, ast.IfExp):
        for part in (node.body, node.orelse):
            yield from _names(part, tree, seen)
    elif _name(node) and _name(node) not in seen:
        yield from _made(_name(node), tree, seen | {_name(node)})
    elif not _name(node):
        yield f"?{ast.unparse(node)}"


def _made(name: str, tree: ast.AST, seen: frozenset[str]) -> Iterator[str]:
    """The keys of whatever is called ``name``: what is assigned to it, returned by it, or passed in as it."""
    sources: list[ast.expr] = []
    more: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            sources += [node.value for target in targets if _name(target) == name]
            keyed = [each for each in targets if isinstance(each, ast.Subscript) and _name(each.value) == name]
            more += [ast.unparse(each.slice).strip("'") for each in keyed]
        elif isinstance(node, ast.FunctionDef):
            if node.name == name:
                sources += [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
            _passed(node, name, tree, sources, more)
    if not sources and not more:
        yield f"?{name}"
    yield from more
    for source in sources:
        yield from _names(source, tree, seen)


def _passed(function: ast.FunctionDef, name: str, tree: ast.AST, sources: list[ast.expr], more: list[str]) -> None:
    """Add what callers of ``function`` pass as its parameter ``name``, if it has one."""
    known = [each.arg for each in (*function.args.args, *function.args.kwonlyargs) if each.arg not in {"self", "cls"}]
    rest = function.args.kwarg is not None and function.args.kwarg.arg == name
    if name not in known and not rest:
        return
    for call in (each for each in _calls(tree) if _name(each) == function.name):
        if rest:
            more += [each.arg for each in call.keywords if each.arg is not None and each.arg not in known]
            continue
        sources += [each.value for each in call.keywords if each.arg == name]
        place = known.index(name)
        sources += call.args[place : place + 1]
