"""What local things are called: databases, the broadcast channel, the room, the client id of a document, the device.

The names themselves are those of Epicenter. Files are named after them part by part, each percent-encoded, so that no
part, whatever is in it, reaches outside its own directory: wiping one owner never meets the files of another.
Source: contracts/workspace-encryption.md 10 and 13; vectors storageNames and yDocClientId.
"""

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

from strongroom.crypto.framing import encoded
from strongroom.errors import InvalidInput

__all__ = [
    "DATABASE_SUFFIX",
    "RECORD_SUFFIX",
    "broadcast_channel",
    "database_file",
    "device_id",
    "local_name",
    "local_prefix",
    "owner_directory",
    "room_name",
    "y_doc_client_id",
]

DATABASE_SUFFIX: Final = ".db"
RECORD_SUFFIX: Final = ".password"
"""Of the record of a workspace's password, beside its database."""
FILE_NAME_BYTES_MAX: Final = 240
"""255 on every file system of Linux, less what SQLite and the lock put behind the name."""
CLIENT_ID_MASK: Final = 2**53 - 1
"""Whole numbers of JavaScript end there."""


def local_prefix(server: str, owner_id: str) -> str:
    """What the names of all local databases of an owner on a server begin with."""
    return f"epicenter/{server}/owners/{owner_id}/"


def local_name(server: str, owner_id: str, guid: str) -> str:
    """The name of the local database of the document ``guid``."""
    return local_prefix(server, owner_id) + guid


def broadcast_channel(server: str, owner_id: str, guid: str) -> str:
    """The channel on which windows of one browser tell each other updates."""
    return "yjs." + local_name(server, owner_id, guid)


def room_name(owner_id: str, guid: str) -> str:
    """What the relay of Epicenter calls the room."""
    return f"owners/{owner_id}/rooms/{guid}"


def owner_directory(root: Path, server: str, owner_id: str) -> Path:
    """The directory below ``root`` of an owner's databases. Raises ``InvalidInput`` for parts that name no file."""
    return root / "epicenter" / _part("server", server) / "owners" / _part("owner_id", owner_id)


def database_file(root: Path, server: str, owner_id: str, guid: str) -> Path:
    """The local database of the document ``guid``. Raises ``InvalidInput`` for parts that name no file."""
    return owner_directory(root, server, owner_id) / (_part("guid", guid) + DATABASE_SUFFIX)


def y_doc_client_id(path: str) -> int:
    """The client id, 1 to 2**53, of documents that a daemon opens for the folder ``path``; the same at every start."""
    digest = hashlib.sha256(encoded(path)).digest()
    return (int.from_bytes(digest[:8], "big") & CLIENT_ID_MASK) + 1


def device_id(mount: str) -> str:
    """What the daemon calls itself where it syncs the mount ``mount``."""
    return f"{mount}-daemon"


def _part(field: str, text: str) -> str:
    """One part of a name as one name of a file; different parts give different names."""
    name = quote(encoded(text), safe="")
    if name.strip(".") == "":
        name = name.replace(".", "%2E")
    if not name or len(name) > FILE_NAME_BYTES_MAX:
        raise InvalidInput(
            "SR-WS-075",
            f"no local database can be named after this {field}",
            why=f"as the name of a file it has {len(name)} bytes, 1 to {FILE_NAME_BYTES_MAX} are possible",
            fix="use a shorter one",
            field=field,
            size=len(name),
            limit=FILE_NAME_BYTES_MAX,
        )
    return name
