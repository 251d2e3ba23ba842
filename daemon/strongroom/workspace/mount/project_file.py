"""``strongroom.toml``: which workspaces a project has, how each is sealed, and what is kept of it beside.

    [[mounts]]
    name = "notes"
    workspace = "team-notes"          # id of the workspace; the name where it is left out
    provider = "workspace"            # the host's own, or one that a plugin provides
    strict = true                     # plaintext from others is not believed
    write_format = 2                  # 1 for JavaScript peers
    relay = "local"                   # or a URL; absent: it does not sync
    materialize = ["sqlite", "markdown"]
    keys = "password"                 # its own, from a password that people type; absent: those of the session

It belongs to the project and travels with it, so it is read as data: what it may not say is refused with its place.
Names are checked by ``check_names``, after the session: who is signed out is told that first.
Source: contracts/workspace-encryption.md 13.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom.errors import InvalidInput, Misconfigured, NotFound
from strongroom.plugin.mounts import MOUNT_NAME_PATTERN, NAME_CHARS_MAX
from strongroom.plugin.workspaces import check_workspace_id
from strongroom.settings.refusals import unknown_key, wrong_value

__all__ = ["FILE_NAME", "MountEntry", "ProjectFile", "check_names", "find_project", "read_project"]

FILE_NAME: Final = "strongroom.toml"
FILE_BYTES_MAX: Final = 262_144
"""Sixty-four mounts with every key and a paragraph about each have a quarter of it."""
MOUNTS_MAX: Final = 64
"""Each is opened with a thread and a document; a project with more was written by a loop."""
ANCESTORS_MAX: Final = 256
"""Longer paths than that no system gives."""
KEYS: Final = ("name", "workspace", "provider", "strict", "write_format", "relay", "materialize", "keys")
VIEWS: Final = ("sqlite", "markdown")
DEFAULT_PROVIDER: Final = "workspace"
LOCAL_RELAY: Final = "local"
SESSION_KEYS: Final = "session"
PASSWORD_KEYS: Final = "password"  # noqa: S105 - the word of the file, no password
_LOOPBACK: Final = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One mount as its project declares it. ``workspace`` is empty where the file leaves it out."""

    name: str
    workspace: str = ""
    provider: str = DEFAULT_PROVIDER
    strict: bool = True
    write_format: int = 2
    relay: str = ""
    materialize: tuple[str, ...] = ()
    keys: str = SESSION_KEYS
    where: str = ""

    @property
    def has_password(self) -> bool:
        """Whether its keys come from a password of its own."""
        return self.keys == PASSWORD_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """The file of a project: its directory without symbolic links, and what it declares, in its order."""

    directory: Path
    mounts: tuple[MountEntry, ...]

    @property
    def path(self) -> Path:
        """Where it stands."""
        return self.directory / FILE_NAME

    def entry(self, name: str) -> MountEntry | None:
        """The mount of that name, if it is declared."""
        return next((entry for entry in self.mounts if entry.name == name), None)


def find_project(start: Path) -> Path:
    """The nearest directory at or above ``start`` with a ``strongroom.toml``, without symbolic links.

    Raises ``NotFound`` (ProjectConfigNotFound).
    """
    try:
        directory = start.resolve(strict=True)
    except (OSError, RuntimeError):
        raise _not_found(start, "there is no such directory") from None
    for candidate in [directory, *directory.parents][:ANCESTORS_MAX]:
        if (candidate / FILE_NAME).is_file():
            return candidate
    raise _not_found(start, f"neither it nor a directory above it has a {FILE_NAME}")


def read_project(directory: Path) -> ProjectFile:
    """What the project in ``directory`` declares. Raises ``NotFound``, or ``Misconfigured`` (Invalid) with
    ``file:key``."""
    path = directory / FILE_NAME
    return ProjectFile(directory=directory, mounts=parse_project(_read(path), path))


def parse_project(text: str, path: Path) -> tuple[MountEntry, ...]:
    """The mounts that ``text`` declares; ``path`` is for errors."""
    try:
        members = tomllib.loads(text)
    except ValueError as error:
        raise _invalid(path, f"it is not TOML: {error}") from None
    except RecursionError:
        raise _invalid(path, "it is nested too deeply") from None
    for key in members:
        if key in KEYS and "mounts" not in members:
            raise _bare_mount(path)
        if key != "mounts":
            raise unknown_key(f"{path}:{key[:NAME_CHARS_MAX]}", ("mounts",))
    listed = members.get("mounts", [])
    if isinstance(listed, dict):
        raise _bare_mount(path)
    if not isinstance(listed, list):
        raise wrong_value(f"{path}:mounts", "it is not a list of tables", fix="write [[mounts]] and its keys below it")
    if len(listed) > MOUNTS_MAX:
        raise wrong_value(f"{path}:mounts", f"it has {len(listed)} entries, the limit is {MOUNTS_MAX}", fix="split it")
    return tuple(_entry(section, f"{path}:mounts[{index}]") for index, section in enumerate(listed))


def check_names(entries: Sequence[MountEntry], path: Path) -> None:
    """Raise ``Misconfigured`` for a name or a workspace that is declared twice, and then for a name that is none."""
    for index, entry in enumerate(entries):
        if any(entry.name == other.name for other in entries[:index]):
            raise wrong_value(
                f"{path}:mounts[{index}].name",
                f"{entry.name[:NAME_CHARS_MAX]} is declared twice",
                fix="names are unique",
            )
    for index, entry in enumerate(entries):
        where = f"{path}:mounts[{index}].name"
        if len(entry.name) > NAME_CHARS_MAX or not MOUNT_NAME_PATTERN.fullmatch(entry.name):
            raise wrong_value(
                where,
                "it is no name",
                fix=f"use letters, digits, _ and -, at most {NAME_CHARS_MAX}, a letter or digit first",
            )
        if entry.workspace and any(entry.workspace == other.workspace for other in entries[:index]):
            # They would be two writers of one log.
            raise wrong_value(
                f"{path}:mounts[{index}].workspace", f"{entry.workspace} is mounted twice", fix="mount it once"
            )


def _entry(section: object, where: str) -> MountEntry:
    if not isinstance(section, dict):
        raise wrong_value(where, "it is not a table", fix="write [[mounts]] and its keys below it")
    for key in section:
        if key not in KEYS:
            raise unknown_key(f"{where}.{key[:NAME_CHARS_MAX]}", KEYS)
    if "name" not in section:
        raise wrong_value(f"{where}.name", "it is missing", fix='write name = "notes"')
    workspace = _text(section, "workspace", where)
    if workspace:
        try:
            check_workspace_id(workspace)
        except InvalidInput as error:
            raise wrong_value(f"{where}.workspace", "it is no workspace id", fix=error.what) from None
    write_format = section.get("write_format", 2)
    if type(write_format) is not int or write_format not in {1, 2}:
        raise wrong_value(
            f"{where}.write_format", "it is neither 1 nor 2", fix="leave it out; 1 is for JavaScript peers"
        )
    return MountEntry(
        name=_text(section, "name", where),
        workspace=workspace,
        provider=_provider(section, where),
        strict=_flag(section, "strict", where),
        write_format=write_format,
        relay=_relay(section, where),
        materialize=_views(section, where),
        keys=_keys(section, where),
        where=where,
    )


def _text(section: Mapping[str, Any], key: str, where: str) -> str:  # Any: what TOML holds
    value = section.get(key, "")
    if not isinstance(value, str) or (key in section and not value):
        raise wrong_value(f"{where}.{key}", "it is no text, or empty", fix="write it in quotes, or leave it out")
    return value


def _flag(section: Mapping[str, Any], key: str, where: str) -> bool:  # Any: as above
    value = section.get(key, True)
    if not isinstance(value, bool):
        raise wrong_value(f"{where}.{key}", "it is neither true nor false", fix="write true or false, without quotes")
    return value


def _provider(section: Mapping[str, Any], where: str) -> str:  # Any: as above
    provider = _text(section, "provider", where) or DEFAULT_PROVIDER
    if len(provider) > NAME_CHARS_MAX or not MOUNT_NAME_PATTERN.fullmatch(provider):
        raise wrong_value(f"{where}.provider", "it is no name of a provider", fix="`strongroom plugin list` has them")
    return provider


def _relay(section: Mapping[str, Any], where: str) -> str:  # Any: as above
    relay = _text(section, "relay", where)
    if relay in {"", LOCAL_RELAY}:
        return relay
    fix = 'write wss://HOST, or "local" for the relay of this host'
    try:
        parts = urlsplit(relay)
        _ = parts.port
    except ValueError:
        raise wrong_value(f"{where}.relay", "it is no URL", fix=fix) from None
    if parts.scheme not in {"wss", "https", "ws", "http"} or not parts.hostname:
        raise wrong_value(f"{where}.relay", "it is no URL", fix=fix)
    if parts.scheme in {"ws", "http"} and not _LOOPBACK.fullmatch(parts.hostname):
        raise wrong_value(f"{where}.relay", "without TLS a relay is on this machine only", fix=fix)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise wrong_value(f"{where}.relay", "it holds a user, a query or a fragment", fix=fix)
    return relay


def _keys(section: Mapping[str, Any], where: str) -> str:  # Any: as above
    keys = _text(section, "keys", where) or SESSION_KEYS
    if keys not in {SESSION_KEYS, PASSWORD_KEYS}:
        raise wrong_value(f"{where}.keys", "it is neither session nor password", fix="leave it out")
    if keys == PASSWORD_KEYS and "workspace" not in section and _provider(section, where) != DEFAULT_PROVIDER:
        # The record of a password stands beside the log and has its name, before a provider is asked.
        raise wrong_value(f"{where}.workspace", "it is missing", fix='with keys = "password" write the workspace id')
    return keys


def _views(section: Mapping[str, Any], where: str) -> tuple[str, ...]:  # Any: as above
    views = section.get("materialize", [])
    if not isinstance(views, list) or any(view not in VIEWS for view in views) or len(set(views)) < len(views):
        raise wrong_value(
            f"{where}.materialize", "it is no list of views, each once", fix=f"the views are {' and '.join(VIEWS)}"
        )
    return tuple(views)


def _read(path: Path) -> str:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _not_found(path.parent, f"it has no {FILE_NAME}") from None
    except OSError as error:
        raise _invalid(path, error.strerror or type(error).__name__) from error
    status = os.fstat(descriptor)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(status.st_mode):
            raise _invalid(path, "it is no regular file")
        if status.st_uid not in {os.geteuid(), 0}:
            # It says where updates go and what is written in plaintext.
            raise _invalid(path, f"it belongs to user {status.st_uid}")
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise _invalid(path, f"it has more than {FILE_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _invalid(path, "it is not UTF-8") from None


def _not_found(start: Path, why: str) -> NotFound:
    return NotFound(
        "SR-MOUNT-001",
        f"{start} is in no project",
        why=why,
        fix=f"make one with `strongroom workspace mount {start} --name notes`, or name another directory"
        if start.is_dir()
        else "name a directory that is there",
    )


def _invalid(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-MOUNT-002", f"{path} cannot be used", why=why, fix="correct it; nothing was opened", where=str(path)
    )


def _bare_mount(path: Path) -> Misconfigured:
    return Misconfigured(
        "SR-MOUNT-003",
        f"{path} has one mount where a list of mounts belongs",
        why="a project may have several, so each stands in a table of a list",
        fix="write [[mounts]] with two brackets above its keys",
        where=f"{path}:mounts",
    )
