"""Change ``enabled`` of one plugin in the manifest, and nothing else: comments and layout are the operator's own.

The file is edited as text and read again before it replaces the old one; an edit that would change anything else is
refused, and the operator does it by hand.
"""

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.errors import Misconfigured
from strongroom.settings.manifest import PluginEntry, load_manifest
from strongroom.settings.refusals import nearest
from strongroom.settings.yaml_file import read_document

__all__ = ["set_enabled"]

_ENABLED: Final = re.compile(r"(\benabled\s*:\s*)(\S+?)(?=\s*(?:[,}#]|$))")
_NAME: Final = re.compile(r"(\s*-\s+|\s+)name\s*:")


def set_enabled(path: Path, name: str, *, enabled: bool, dry_run: bool = False) -> bool:
    """Whether the file had to change.

    Raises ``Failure`` for an unknown name, ``Misconfigured`` for a wrong file."""
    path = path.resolve()
    entries = load_manifest(path)
    names = [entry.name for entry in entries]
    if name not in names:
        guess = nearest(name, names)
        raise bad_data(
            "SR-CLI-040",
            f"{path} names no plugin {name}",
            why=f"did you mean {guess}?" if guess else "",
            fix=f"it names {', '.join(names) or 'none'}",
        )
    index = names.index(name)
    if entries[index].enabled == enabled:
        return False
    text = _edited(path, index, enabled=enabled)
    wanted = [replace(entry, enabled=enabled) if entry.name == name else entry for entry in entries]
    _replace(path, text, wanted, dry_run=dry_run)
    return True


def _edited(path: Path, index: int, *, enabled: bool) -> str:
    document = read_document(path)
    lines = path.read_text().splitlines(keepends=True)
    word = "true" if enabled else "false"
    there = document.lines.get(f"plugins[{index}].enabled")
    if there is not None:
        lines[there - 1] = _ENABLED.sub(rf"\g<1>{word}", lines[there - 1], count=1)
        return "".join(lines)
    at = document.lines[f"plugins[{index}].name"] - 1
    found = _NAME.match(lines[at])
    if found is not None:
        lines[at] = lines[at] if lines[at].endswith("\n") else lines[at] + "\n"
        lines.insert(at + 1, f"{' ' * len(found.group(1))}enabled: {word}\n")
    return "".join(lines)


def _replace(path: Path, text: str, wanted: list[PluginEntry], *, dry_run: bool) -> None:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        code = Exit.PERMISSION if isinstance(error, PermissionError) else Exit.CANNOT_CREATE
        raise bad_data(
            "SR-CLI-041",
            f"{path} cannot be changed",
            why=f"its directory takes no file: {error.strerror}",
            fix="copy the manifest to where you may write, and name the copy with --file",
            exit_code=code,
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not _is(temporary, wanted):
            raise bad_data(
                "SR-CLI-042",
                f"{path} was left as it is",
                why="its layout is not one that can be edited safely",
                fix="set `enabled:` of the plugin by hand",
            )
        if not dry_run:
            temporary.chmod(path.stat().st_mode & 0o777)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _is(path: Path, wanted: list[PluginEntry]) -> bool:
    try:
        found = load_manifest(path)
    except Misconfigured:
        return False
    return [replace(entry, where="") for entry in found] == [replace(entry, where="") for entry in wanted]
