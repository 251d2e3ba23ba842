"""Whether a plugin can be found, is what it was pinned to be, and has a config that fits, without running any of its
code: looking must not be trusting."""

import ast
import importlib.machinery
import shutil
import sys
from pathlib import Path
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.registry.child import SEARCH_PATH
from strongroom.registry.config_fields import SOURCE_BYTES_MAX, config_problem, served_class
from strongroom.settings.manifest import PluginEntry

__all__ = ["problem_of"]

IMPORTS_FOLLOWED_MAX: Final = 3


def problem_of(entry: PluginEntry) -> str:
    """Why the host could not start ``entry`` as the manifest has it; empty when nothing is known to be wrong."""
    if entry.pin is not None:
        from strongroom.registry.pins import check_pin

        try:
            check_pin(entry)
        except StrongroomError as error:
            return error.with_fix()
    module, name = "", ""
    if entry.factory is not None:
        module, _, name = entry.factory.partition(":")
        problem = _module_problem(module, name)
    else:
        command = entry.command or ()
        if command[0] != "python":
            there = shutil.which(command[0]) or shutil.which(command[0], path=SEARCH_PATH)
            problem = "" if there else f"no program {command[0]} is on the path or has that name"
        elif len(command) > 2 and command[1] == "-m":
            problem = _module_problem(command[2], "")
            module = "" if problem else command[2]
        else:
            problem = ""
    return problem or (_config_problem(entry, module, name) if module else "")


def _config_problem(entry: PluginEntry, module: str, name: str) -> str:
    try:
        if not name:
            path = _source_of(f"{module}.__main__")
            module, name = served_class(path) if path is not None and path.suffix == ".py" else ("", "")
        plugin = _class_of(module, name)
    except (OSError, SyntaxError, ValueError):
        return ""
    return "" if plugin is None else config_problem(entry, plugin)


def _class_of(module: str, name: str) -> ast.ClassDef | None:
    """The class, also where a package passes on what one of its modules defines."""
    for _ in range(IMPORTS_FOLLOWED_MAX):
        path = _source_of(module) if module else None
        if path is None or path.suffix != ".py":
            return None
        passed_on = None
        for node in ast.parse(path.read_bytes()[:SOURCE_BYTES_MAX]).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
            if isinstance(node, ast.ImportFrom) and not node.level:
                named = {alias.asname or alias.name: alias.name for alias in node.names}
                if name in named:
                    passed_on = node.module or "", named[name]
        if passed_on is None:
            return None
        module, name = passed_on
    return None


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
