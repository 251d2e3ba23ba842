"""Whether the code of a plugin can be found, without running any of it: looking must not be trusting."""

import ast
import importlib.machinery
import shutil
import sys
from pathlib import Path
from typing import Final

from strongroom.settings.manifest import PluginEntry

__all__ = ["problem_of"]

SOURCE_BYTES_MAX: Final = 4_000_000


def problem_of(entry: PluginEntry) -> str:
    """Why the factory or command of ``entry`` cannot be started; empty when it can be found."""
    if entry.factory is not None:
        module, _, name = entry.factory.partition(":")
        return _module_problem(module, name)
    command = entry.command or ()
    if command[0] != "python":
        return "" if shutil.which(command[0]) else f"no program {command[0]} is on the path or has that name"
    if len(command) > 2 and command[1] == "-m":
        return _module_problem(command[2], "")
    return ""


def _module_problem(module: str, name: str) -> str:
    path = _source_of(module)
    if path is None:
        return f"no module {module} is installed"
    if not name or path.suffix != ".py":
        return ""
    try:
        tree = ast.parse(path.read_bytes()[:SOURCE_BYTES_MAX])
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path} cannot be read: {type(error).__name__}"
    return "" if name in _names(tree) else f"module {module} defines no {name}"


def _source_of(module: str) -> Path | None:
    """The file of ``module``, found like an import would find it, from the outermost package inwards."""
    places: list[str] | None = sys.path
    found: str | None = None
    prefix = ""
    for part in module.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        # With a path given, the finder looks and does not import; editable installs have finders of their own.
        spec = importlib.machinery.PathFinder.find_spec(prefix, places)
        if spec is None and prefix == part:
            spec = next((s for f in sys.meta_path if (s := f.find_spec(part, None, None)) is not None), None)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else []
        found = spec.origin
    return Path(found) if found and found not in {"built-in", "frozen", "namespace"} else None


def _names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
    return names
