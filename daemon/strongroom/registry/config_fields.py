"""A plugin's section of the manifest against the fields of its class, read from the source: no plugin code runs.

What cannot be read so is left to the start: a factory that is no dataclass, fields that a base class adds, types that
are more than a few words, and whatever the plugin itself makes of a value.
"""

import ast
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from strongroom.errors import Misconfigured
from strongroom.registry.variables import expand
from strongroom.settings.manifest import PluginEntry

__all__ = ["SOURCE_BYTES_MAX", "config_problem", "served_class"]

SOURCE_BYTES_MAX: Final = 4_000_000
VARIABLES: Final = dict.fromkeys(("state_dir", "keys_dir", "runtime_dir", "pool_socket"), "")
"""Names that a config may use; their values do not matter here."""
WORDS: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "tuple": (list, tuple),
    "None": (type(None),),
}
"""What may stand in YAML for a field of that type."""


def served_class(path: Path) -> tuple[str, str]:
    """The module and the class that a module hands to ``serve``; empty when that cannot be read from it."""
    tree = ast.parse(path.read_bytes()[:SOURCE_BYTES_MAX])
    origins = {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _word(node.func) == "serve" and node.args:
            return origins.get(_word(node.args[0]), ("", ""))
    return "", ""


def config_problem(entry: PluginEntry, plugin: ast.ClassDef) -> str:
    """Why the host would refuse the config of ``entry``; empty when nothing is known to be wrong with it."""
    try:
        expand(entry.config, VARIABLES, "config")
    except Misconfigured as error:
        return f"{error}; {error.fix}"
    if plugin.bases or not any(_word(each) == "dataclass" for each in plugin.decorator_list):
        return ""
    fields = {name: (kind, value) for name, kind, value in _fields(plugin)}
    for key, value in entry.config.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            known = f"did you mean {near[0]}?" if near else f"its keys are: {', '.join(fields) or 'none'}"
            return f"config.{key}: no such key; {known}"
        allowed = _allowed(fields[key][0])
        if allowed is not None and (type(value) not in allowed):
            return f"config.{key}: it must be {ast.unparse(fields[key][0])}, it is {type(value).__name__}"
    missing = [name for name, (_, default) in fields.items() if default is None and name not in entry.config]
    return f"config.{missing[0]}: it is required" if missing else ""


def _fields(plugin: ast.ClassDef) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    for node in plugin.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if _word(node.annotation) in {"ClassVar", "KW_ONLY"}:
            continue
        default = node.value
        if isinstance(default, ast.Call) and _word(default.func) == "field":
            words = {word.arg: word.value for word in default.keywords}
            init = words.get("init")
            if isinstance(init, ast.Constant) and init.value is False:
                continue
            default = words.get("default") or words.get("default_factory")
        yield node.target.id, node.annotation, default


def _allowed(annotation: ast.expr) -> tuple[type, ...] | None:
    """Types of values that fit; ``None`` for anything that is not read here."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        left, right = _allowed(annotation.left), _allowed(annotation.right)
        return None if left is None or right is None else (*left, *right)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return WORDS["None"]
    return WORDS.get(_word(annotation))


def _word(node: Any) -> str:  # Any: whatever stands in a source
    """The last name of ``a.b``, ``a.b[c]`` and ``a.b(c)``."""
    if isinstance(node, ast.Subscript):
        return _word(node.value)
    if isinstance(node, ast.Call):
        return _word(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
