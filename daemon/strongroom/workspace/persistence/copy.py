"""A sealed copy of a workspace: one file that its keys open, and nobody else.

    line 1   ``strongroom workspace copy 1``
    line 2   JSON: ``owner``, ``workspace``, ``key_versions`` (all that the copy needs, the sealing one first),
             ``key``: the fingerprint of the sealing one
    rest     a blob of format 1 under the workspace's key for copies; its plaintext is the whole state of the document
             (encoding V1)

The associated data of the blob is, each part length-prefixed, the first line and the second: a changed header does not
open. Values inside are sealed once more, each in its own place.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from strongroom.crypto.framing import length_prefixed
from strongroom.errors import InvalidInput, KeyMissing
from strongroom.keyring.workspace_keys import WorkspaceKeys

__all__ = ["COPY_BYTES_MAX", "CopyHeader", "open_copy", "read_header", "seal_copy"]

MAGIC: Final = b"strongroom workspace copy 1"
PURPOSE: Final = "workspace-copy"
"""What copies have keys of their own for."""
HEADER_BYTES_MAX: Final = 4096
COPY_BYTES_MAX: Final = 1_000_000_000
"""A document of that size does not fit in memory twice, which merging it takes."""
TEXT_CHARS_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyHeader:
    """What the copy says of itself in the clear."""

    owner: str
    workspace: str
    key_versions: tuple[int, ...]
    key: str


def seal_copy(keys: WorkspaceKeys, owner: str, workspace: str, value_versions: Iterable[int], state: bytes) -> bytes:
    """The copy of a document whose values are sealed under ``value_versions``."""
    others = sorted(set(value_versions) - {0, keys.writing_version}, reverse=True)
    members = {
        "owner": owner,
        "workspace": workspace,
        "key_versions": [keys.writing_version, *others],
        "key": keys.key(keys.writing_version).fingerprint(),
    }
    header = json.dumps(members, separators=(",", ":")).encode()
    return MAGIC + b"\n" + header + b"\n" + keys.apart(PURPOSE).seal(state, length_prefixed(MAGIC, header))


def read_header(untrusted: bytes) -> tuple[CopyHeader, bytes, bytes]:
    """The header, its bytes, and the blob behind it. Raises ``InvalidInput``."""
    magic, _, rest = untrusted[: len(MAGIC) + 1 + HEADER_BYTES_MAX].partition(b"\n")
    header, line_end, _ = rest.partition(b"\n")
    if magic != MAGIC or not line_end:
        raise _none("its beginning is another one")
    try:
        return _header(json.loads(header.decode())), header, untrusted[len(MAGIC) + len(header) + 2 :]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _none("its second line cannot be read") from None


def open_copy(keys: WorkspaceKeys, owner: str, workspace: str, untrusted: bytes) -> bytes:
    """The state in a copy of ``workspace`` of ``owner``.

    Raises ``InvalidInput`` for what is no copy, or one of something else; ``KeyMissing`` and ``Tampered``.
    """
    header, raw, blob = read_header(untrusted)
    if (header.owner, header.workspace) != (owner, workspace):
        raise InvalidInput(
            "SR-WS-101",
            f"this is a copy of workspace {header.workspace} of {header.owner}",
            why=f"it is to be merged into {workspace} of {owner}, and values open only where they were sealed",
            fix="import it where a workspace of its name and owner is mounted",
            field="part",
        )
    version = header.key_versions[0]
    if keys.key(version).fingerprint() != header.key:
        raise KeyMissing(
            "SR-WS-103",
            f"this copy was sealed under another key {version} than this host has",
            why="a copy opens where it was made, or where the same keyring is",
            fix="import it there, or start a host with the keyring it was made with; nothing was changed",
            key_version=version,
        )
    return keys.apart(PURPOSE).open(blob, length_prefixed(MAGIC, raw))


def _header(members: Any) -> CopyHeader:  # Any: JSON
    owner, workspace, versions = members["owner"], members["workspace"], members["key_versions"]
    texts = all(isinstance(text, str) and len(text) <= TEXT_CHARS_MAX for text in (owner, workspace, members["key"]))
    numbers = isinstance(versions, list) and all(type(each) is int and 1 <= each <= 255 for each in versions)
    if not texts or not numbers or not versions:
        raise ValueError("members")
    return CopyHeader(owner=owner, workspace=workspace, key_versions=tuple(versions), key=members["key"])


def _none(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-WS-100",
        "this is no copy of a workspace",
        why=why,
        fix="give a file that `strongroom workspace export` wrote",
        field="part",
    )
