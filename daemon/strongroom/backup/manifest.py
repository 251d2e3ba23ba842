"""What a backup says of itself, under a MAC: what it is made of, what it needs, and when it began.

    {"manifest":{...},"key_version":V,"mac":"HEX"}

The MAC is HMAC-SHA256 under the subroot ``backups`` of version V over the label, V and the bytes of the inner
document, so what is parsed is what was authenticated. Every part has its size and SHA-256 there, and every key its id;
no key is in a backup.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from strongroom.backup.faults import damaged, not_a_backup
from strongroom.crypto.framing import length_prefixed
from strongroom.errors import KeyMissing, LimitExceeded, StorageFault, Tampered
from strongroom.keyring.root import BACKUPS, RootKeyring
from strongroom.storage.schema_version import SCHEMA_VERSION

__all__ = [
    "FORMAT",
    "MANIFEST_BYTES_MAX",
    "PARTS_MAX",
    "STATE",
    "KeyNeeded",
    "LeftOut",
    "Manifest",
    "Part",
    "Workspace",
    "lacks_key",
    "left_out_of",
    "read_manifest",
    "signed",
]

FORMAT: Final = 1
MANIFEST_BYTES_MAX: Final = 16_000_000
"""Some thousand workspaces and files of an audit log; each takes a few hundred bytes."""
PARTS_MAX: Final = 20_000
PART_BYTES_MAX: Final = 2**62
STATE: Final = "state.db"
"""The part that is the database."""
LABEL: Final = "strongroom/backup/v1"
_SIGNED: Final = re.compile(rb'\{"manifest":(\{.*\}),"key_version":([0-9]{1,3}),"mac":"([0-9a-f]{64})"\}\n', re.DOTALL)
_NAME: Final = re.compile(r"[a-z]{1,16}(?:/[0-9]{1,6})?\.[a-z]{2,8}")
_PLACE_CHARS_MAX: Final = 4_096
_KEY_ID: Final = re.compile(r"k[0-9]{1,3}-[0-9a-f]{4,16}")
VERSION_MAX: Final = 255
MISSING_SHOWN: Final = 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One member of the file. ``at`` is where it stood below its own directory; empty for what has no such place."""

    name: str
    bytes: int
    sha256: str
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNeeded:
    """A key version that something in the backup needs, or that was ``retired`` before and nothing should."""

    version: int
    key_id: str
    retired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace that was mounted. ``log`` and the like name parts; ``project`` counts projects of the backup."""

    name: str
    project: int
    project_dir: str
    owner_id: str
    workspace_id: str
    provider: str
    own: bool
    has_password: bool
    counts: Mapping[str, int]
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A workspace that the host knew, and that was not open: nothing of it is in the backup. ``is_to_be_open`` is one
    that could not be opened, or that waits for somebody. ``counts`` are blobs by key version, as last seen."""

    name: str
    project_dir: str
    owner_id: str
    workspace_id: str
    provider: str
    own: bool
    is_to_be_open: bool
    counts: Mapping[str, int]
    seen_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Times are Unix milliseconds. ``rows`` counts those of each table; ``schema`` is the version of the database."""

    backup_id: str
    release: str
    schema: str
    database: str
    deployment_id: str
    begun_ms: int
    keys: tuple[KeyNeeded, ...]
    audit_host: str
    parts: tuple[Part, ...]
    workspaces: tuple[Workspace, ...]
    rows: Mapping[str, int]
    left_out: tuple[LeftOut, ...] = ()
    format: int = FORMAT

    def part(self, name: str) -> Part:
        """The part of that name. Raises ``InvalidInput``."""
        for each in self.parts:
            if each.name == name:
                return each
        raise damaged("SR-BACKUP-003", "the manifest of the backup cannot be read", f"it names no part {name}")

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        return sum(part.bytes for part in self.parts)


def signed(manifest: Manifest, root: RootKeyring) -> bytes:
    """The bytes of ``manifest`` with a MAC under the version of ``root`` that writes. Raises ``LimitExceeded``."""
    inner = json.dumps(asdict(manifest), sort_keys=True, separators=(",", ":")).encode()
    version = root.writing_version
    mac = root.subroot(BACKUPS, version).mac(_authenticated(version, inner))
    content = b'{"manifest":%b,"key_version":%d,"mac":"%b"}\n' % (inner, version, mac.hex().encode())
    if len(content) > MANIFEST_BYTES_MAX:
        raise LimitExceeded(
            "SR-BACKUP-031",
            "the manifest of the backup would be too long to be read again",
            why="it names every part, and every workspace that the host remembers with its directory",
            fix="forget projects that are gone: strongroom keys status lists them",
            size=len(content),
            limit=MANIFEST_BYTES_MAX,
            setting="manifest",
        )
    return content


def read_manifest(untrusted: bytes, root: RootKeyring) -> Manifest:
    """The manifest in ``untrusted``, once its MAC holds.

    Raises ``KeyMissing`` naming the key that it needs and those that are offered, ``InvalidInput`` for anything that is
    not as it was made, ``StorageFault`` for one of a newer release.
    """
    found = _SIGNED.fullmatch(untrusted)
    if found is None:
        raise not_a_backup("its manifest is none")
    inner, version, mac = found.group(1), int(found.group(2)), bytes.fromhex(found.group(3).decode())
    missing = _missing(inner, root)
    if version not in root.versions:
        raise lacks_key(missing or f"version {version}", root)
    try:
        root.subroot(BACKUPS, version).check_mac(_authenticated(version, inner), mac)
    except Tampered:
        if missing:
            raise lacks_key(missing, root) from None
        raise damaged(
            "SR-BACKUP-004", "the manifest of the backup failed authentication", "it was changed, or is of another one"
        ) from None
    return _parsed(inner)


def _authenticated(version: int, inner: bytes) -> bytes:
    return length_prefixed(LABEL, str(version), inner)


def _parsed(inner: bytes) -> Manifest:
    """What was authenticated. A newer release may have made it, so its format is looked at first."""
    try:
        members = json.loads(inner)
        if members["format"] != FORMAT:
            raise _newer(f"its format is {members['format']}, this release knows {FORMAT}", str(members["release"]))
        if str(members["schema"]) > SCHEMA_VERSION:
            why = f"its schema version is {members['schema']}, this release knows versions up to {SCHEMA_VERSION}"
            raise _newer(why, str(members["release"]))
        manifest = Manifest(
            **{
                **members,
                "keys": tuple(KeyNeeded(**each) for each in members["keys"]),
                "parts": tuple(Part(**each) for each in members["parts"]),
                "workspaces": tuple(Workspace(**each) for each in members["workspaces"]),
                "left_out": _left_out(members),
            }
        )
        _check(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it is authentic, and not what this release writes: {type(error).__name__}"
        raise damaged("SR-BACKUP-003", "the manifest of the backup cannot be read", why) from None
    return manifest


def left_out_of(untrusted: bytes) -> tuple[LeftOut, ...]:
    """What the manifest of a backup that a host has just given says of workspaces that are not in it.

    Nobody authenticated it; empty for what is none.
    """
    found = _SIGNED.fullmatch(untrusted)
    try:
        return _left_out(json.loads(found.group(1))) if found is not None else ()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _left_out(members: Mapping[str, Any]) -> tuple[LeftOut, ...]:  # Any: JSON
    return tuple(LeftOut(**each) for each in members.get("left_out", ()))


def _check(manifest: Manifest) -> None:
    """Raise ``ValueError`` for what no release of ours writes, whoever has the key."""
    names = [part.name for part in manifest.parts]
    if not 1 <= len(names) <= PARTS_MAX or len(set(names)) < len(names) or names[0] != STATE:
        raise ValueError("parts")
    for part in manifest.parts:
        is_size = type(part.bytes) is int and 0 <= part.bytes <= PART_BYTES_MAX
        if not _NAME.fullmatch(part.name) or not is_size or not _DIGEST.fullmatch(part.sha256):
            raise ValueError("a part")
        if part.at and not _stays_below(part.at):
            raise ValueError("the place of a part")
    if any(each.log not in names or type(each.project) is not int for each in manifest.workspaces):
        raise ValueError("a workspace")
    for left in manifest.left_out:
        texts = left.name, left.project_dir, left.owner_id, left.workspace_id, left.provider
        if not all(type(text) is str and len(text) <= _PLACE_CHARS_MAX for text in texts):
            raise ValueError("a workspace that is left out")
    for counts in (*(each.counts for each in manifest.workspaces), *(each.counts for each in manifest.left_out)):
        if not all(0 <= int(version) <= VERSION_MAX and type(count) is int for version, count in counts.items()):
            raise ValueError("key versions of a workspace")


def _stays_below(place: str) -> bool:
    parts = place.split("/")
    return len(place) <= _PLACE_CHARS_MAX and "\0" not in place and not {"", ".", ".."} & set(parts)


def _newer(why: str, release: str) -> StorageFault:
    return StorageFault(
        "SR-BACKUP-002",
        "the backup is of a newer release",
        why=f"{why}; strongroom {release[:40]} made it",
        fix=f"install strongroom {release[:40]} or newer; nothing was changed",
    )


def lacks_key(needed: str, root: RootKeyring) -> KeyMissing:
    """The keyring ``root`` has not what a backup needs."""
    held = ", ".join(root.key_id(each) for each in root.versions)
    return KeyMissing(
        "SR-BACKUP-011",
        f"the keyring does not fit the backup: it needs key {needed}",
        why=f"the keyring offers only {held}",
        fix="give the keyring of the host that made it, with --key-file; nothing was changed",
        expected=needed,
        offered=held,
    )


def _missing(inner: bytes, root: RootKeyring) -> str:
    """The key ids that the manifest says it needs and ``root`` has not: for a message only, nobody authenticated it."""
    try:
        named = {int(each["version"]): str(each["key_id"]) for each in json.loads(inner)["keys"] if not each["retired"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    missing = [
        key_id
        for version, key_id in sorted(named.items())
        if _KEY_ID.fullmatch(key_id) and (version not in root.versions or root.key_id(version) != key_id)
    ]
    return ", ".join(missing[:MISSING_SHOWN])
