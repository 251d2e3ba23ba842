"""Change ``enabled`` or ``pin`` of one plugin in the manifest, and nothing else: comments and layout stay.

The file is edited as text and read again before it replaces the old one; an edit that would change anything else is
refused, and the operator does it by hand.
"""

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.errors import Misconfigured
from strongroom.settings.layers import load
from strongroom.settings.manifest import Pin, PluginEntry, load_manifest
from strongroom.settings.model import packaged_manifest
from strongroom.settings.refusals import nearest
from strongroom.settings.yaml_file import read_document

__all__ = ["NOT_EDITED", "editable_manifest", "entry_named", "manifest_path", "set_enabled", "set_pin"]

NOT_EDITED: Final = "SR-CLI-042"
"""The layout of an entry is not one that can be edited safely."""
ADDED: Final = "# added by `strongroom plugin disable`"
"""Stands behind a line that was not there, so that who enables the plugin again takes that line away with it."""
_ENABLED: Final = re.compile(r"(\benabled\s*:\s*)(\S+?)(?=\s*(?:[,}#]|$))")
_NAME: Final = re.compile(r"(\s*-\s+|\s+)name\s*:")


def set_enabled(path: Path, name: str, *, enabled: bool, dry_run: bool = False) -> bool:
    """Whether the file had to change.

    Raises ``Failure`` for an unknown name, ``Misconfigured`` for a wrong file."""
    path = path.resolve()
    entries = load_manifest(path)
    entry = entry_named(path, entries, name)
    if entry.enabled == enabled:
        return False
    text = _with_enabled(path, entries.index(entry), enabled=enabled)
    _replace(path, text, _changed(entries, replace(entry, enabled=enabled)), dry_run=dry_run)
    return True


def set_pin(path: Path, name: str, pin: Pin, *, dry_run: bool = False) -> bool:
    """Whether the file had to change. Raises as ``set_enabled``."""
    path = path.resolve()
    entries = load_manifest(path)
    entry = entry_named(path, entries, name)
    if entry.pin == pin:
        return False
    text = _with_pin(path, entries.index(entry), pin, replaces=bool(entry.pin))
    _replace(path, text, _changed(entries, replace(entry, pin=pin)), dry_run=dry_run)
    return True


def entry_named(path: Path, entries: Sequence[PluginEntry], name: str) -> PluginEntry:
    """That entry of the manifest at ``path``. Raises ``Failure`` when there is none."""
    names = [entry.name for entry in entries]
    if name not in names:
        guess = nearest(name, names)
        raise bad_data(
            "SR-CLI-040",
            f"{path} names no plugin {name}",
            why=f"did you mean {guess}?" if guess else "",
            fix=f"it names {', '.join(names) or 'none'}",
        )
    return entries[names.index(name)]


def manifest_path(file: Path | None) -> Path:
    """The manifest that was named, or that of the settings."""
    return file.absolute() if file else load("client", {}, Path.cwd(), os.environ).settings.plugins_file


def editable_manifest(file: Path | None) -> Path:
    """As ``manifest_path``. Raises ``Failure`` for the one that ships, unless somebody named it."""
    path = manifest_path(file)
    if file is None and path == packaged_manifest():
        raise bad_data(
            "SR-CLI-043",
            "the manifest that ships with the package is not edited",
            why="the next installation would replace it",
            fix=f"copy {path}, name the copy with --file, and set plugins_file to it",
            exit_code=Exit.CONFIGURATION,
        )
    return path


def _changed(entries: Sequence[PluginEntry], changed: PluginEntry) -> list[PluginEntry]:
    return [changed if entry.name == changed.name else entry for entry in entries]


def _with_enabled(path: Path, index: int, *, enabled: bool) -> str:
    document = read_document(path)
    lines = _lines(path)
    word = "true" if enabled else "false"
    there = document.lines.get(f"plugins[{index}].enabled")
    if there is not None and lines[there - 1].strip() == f"enabled: false  {ADDED}":
        del lines[there - 1]
    elif there is not None:
        lines[there - 1] = _ENABLED.sub(rf"\g<1>{word}", lines[there - 1], count=1)
    else:
        _insert(lines, document.lines[f"plugins[{index}].name"] - 1, [f"enabled: {word}  {ADDED}"])
    return "".join(lines)


def _with_pin(path: Path, index: int, pin: Pin, *, replaces: bool) -> str:
    """New values in the place of the old ones; a pin of another kind is left to the operator."""
    document = read_document(path)
    lines = _lines(path)
    values = {key: json.dumps(value, ensure_ascii=False) for key, value in asdict(pin).items() if value}
    if not replaces:
        _insert(
            lines,
            document.lines[f"plugins[{index}].name"] - 1,
            ["pin:", *(f"  {key}: {value}" for key, value in values.items())],
        )
        return "".join(lines)
    for key, value in values.items():
        there = document.lines.get(f"plugins[{index}].pin.{key}")
        if there is not None:
            old = re.compile(rf"""(\b{key}\s*:\s*)("[^"]*"|'[^']*'|[^\s,}}#]+)""")
            escaped = value.replace("\\", r"\\")
            lines[there - 1] = old.sub(rf"\g<1>{escaped}", lines[there - 1], count=1)
    return "".join(lines)


def _lines(path: Path) -> list[str]:
    """With their ends as they are."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.read().splitlines(keepends=True)


def _insert(lines: list[str], at: int, more: Sequence[str]) -> None:
    """Put ``more`` behind the line with the name, as deep as that; nothing where the line is no line of its own."""
    found = _NAME.match(lines[at])
    if found is not None:
        end = "\r\n" if lines[0].endswith("\r\n") else "\n"
        lines[at] = lines[at] if lines[at].endswith("\n") else lines[at] + end
        lines[at + 1 : at + 1] = [f"{' ' * len(found.group(1))}{line}{end}" for line in more]


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
                fix="change the entry of the plugin by hand",
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
