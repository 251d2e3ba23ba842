"""YAML as an operator writes it, read strictly: plain data, no key twice, no anchors, a known line for every key.

Anchors and aliases are refused because nine lines of them can expand to gigabytes. Tags are refused because they build
objects. Dates stay text, since no setting is one.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from strongroom.private_files import is_open_to_others
from strongroom.settings.refusals import duplicate_key, too_large, unreadable, wrong_value

__all__ = ["FILE_BYTES_MAX", "Document", "read_document"]

# A manifest of a hundred plugins has about 30 KB; what is larger was not written by a person.
FILE_BYTES_MAX: Final = 256 * 1024
# Settings are three levels deep; the configuration of a plugin may be somewhat deeper.
DEPTH_MAX: Final = 32
PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")}
_STARTS: Final = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_ENDS: Final = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
TIMESTAMP_TAG: Final = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file: its plain data, and the line (from 1) on which each dotted key stands."""

    path: Path
    data: Mapping[str, Any] = field(repr=False)  # Any: values of YAML, which the caller checks
    lines: Mapping[str, int]

    def where(self, dotted: str) -> str:
        """``file:dotted.key``, the way every error names a place."""
        return f"{self.path}:{dotted}" if dotted else str(self.path)


def read_document(
    path: Path, *, bytes_max: int = FILE_BYTES_MAX, private: bool = False, whole_lines: bool = False
) -> Document:
    """The mapping in the file at ``path``; an empty file is an empty mapping. Raises ``Misconfigured``.

    One that is ``private`` is refused when others may read it, or when it is somebody else's. With ``whole_lines`` one
    that was cut in the middle of a line is refused.
    """
    text = _read_text(path, bytes_max, private=private)
    # What begins with a brace ends with one, or is no YAML.
    if whole_lines and not text.endswith("\n") and not text.startswith("{"):
        why, fix = "its last line has no end, so it may have been cut", "write all of it, with a line break at its end"
        raise unreadable(str(path), why, fix=fix)
    lines: dict[str, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        try:
            _refuse_expansion(path, text)
            node = loader.get_single_node()
            data = {} if node is None else _plain(loader, node, path, "", lines)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise unreadable(f"{path}:{line}", f"it is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise unreadable(str(path), f"it is not YAML: {type(error).__name__}") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise unreadable(str(path), "its top level is not a mapping", fix="write `key: value` lines")
    return Document(path=path, data=data, lines=lines)


def _read_text(path: Path, bytes_max: int, *, private: bool) -> str:
    try:
        if not path.is_file():
            raise unreadable(str(path), "it is not a file" if path.exists() else "there is no such file")
        with path.open("rb") as file:
            if private:
                _check_private(path, file.fileno())
            raw = file.read(bytes_max + 1)
    except OSError as error:
        raise unreadable(str(path), error.strerror or type(error).__name__) from error
    if len(raw) > bytes_max:
        raise too_large(str(path), size=len(raw), limit=bytes_max)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(str(path), f"byte {error.start} is not UTF-8") from error


def _check_private(path: Path, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid not in {os.geteuid(), 0}:
        fix = "give it to the user of this process, or to root"
        raise unreadable(str(path), f"it belongs to user {status.st_uid}", fix=fix)
    if is_open_to_others(descriptor):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise unreadable(str(path), f"others may use it (mode {mode})", fix=f"chmod 600 {path}")


def _refuse_expansion(path: Path, text: str) -> None:
    """Anchors and depth are found in the token stream, before anything is expanded or walked into."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            raise unreadable(
                f"{path}:{token.start_mark.line + 1}", "anchors and aliases are not read", fix="write the value out"
            )
        if isinstance(token, _STARTS):
            depth += 1
        elif isinstance(token, _ENDS):
            depth -= 1
        if depth > DEPTH_MAX:
            raise unreadable(f"{path}:{token.start_mark.line + 1}", f"it is nested deeper than {DEPTH_MAX} levels")


def _plain(
    loader: yaml.SafeLoader, node: yaml.Node, path: Path, dotted: str, lines: dict[str, int]
) -> Any:  # Any: plain data of any shape
    where = f"{path}:{dotted}" if dotted else str(path)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, dotted, lines)
    if isinstance(node, yaml.SequenceNode):
        if node.tag != "tag:yaml.org,2002:seq":
            raise wrong_value(where, f"line {node.start_mark.line + 1} has a tag")
        result = []
        for index, child in enumerate(node.value):
            place = f"{dotted}[{index}]"
            lines[place] = child.start_mark.line + 1
            result.append(_plain(loader, child, path, place, lines))
        return result
    if node.tag == TIMESTAMP_TAG:
        return str(node.value)
    if node.tag not in PLAIN_TAGS:
        raise wrong_value(where, f"line {node.start_mark.line + 1} has a tag that builds an object")
    return loader.construct_object(node)


def _mapping(
    loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path, dotted: str, lines: dict[str, int]
) -> dict[str, Any]:  # Any: as above
    where = f"{path}:{dotted}" if dotted else str(path)
    if node.tag != "tag:yaml.org,2002:map":
        raise wrong_value(where, f"line {node.start_mark.line + 1} has a tag")
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
            raise wrong_value(where, f"the key in line {line} is not a plain word")
        # A key is what was written: `on:` is the word, not the truth value of YAML 1.1.
        key = str(key_node.value)
        place = f"{dotted}.{key}" if dotted else key
        if key in result:
            raise duplicate_key(f"{path}:{place}", line=line, first_line=lines[place])
        lines[place] = line
        result[key] = _plain(loader, value_node, path, place, lines)
    return result
