"""What a chunk of a stream is: its name, where it is sealed, and what is read of it.

A chunk is sealed at its index in its stream, with the tag of the chunk before and whether it is the last. So it opens
in one place only, and once its stream is closed none can be moved, left out, repeated or cut off unnoticed.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.envelope import ENVELOPE_BYTES_MIN
from strongroom.crypto.srn1 import Place, key_version_of, tag_of
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.run_keys import RunEncryptor, SealContext
from strongroom.storage.stream_chunks import ChunkRow

__all__ = [
    "OVERHEAD_BYTES",
    "Chunk",
    "check_name",
    "from_outside",
    "key_version",
    "open_chunk",
    "place_of_chunk",
    "tampered",
]

OVERHEAD_BYTES: Final = ENVELOPE_BYTES_MIN
"""What sealing adds to a chunk."""
EVENT_TYPE: Final = "stream_chunk"
FIELD: Final = "chunk"
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
REQUEST_ID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
FROM_OUTSIDE: Final = "x:"
"""So begins the reference of a writer that is no guest; steps of guests are named by numbers."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as stored. ``content`` is nothing where the key of its version is missing, and ``fault`` says which."""

    row: ChunkRow
    key_version: int
    content: bytes | None = field(repr=False)
    fault: KeyMissing | None = None

    def opened(self) -> bytes:
        """The content. Raises ``KeyMissing``."""
        if self.content is None:
            raise self.fault or tampered(self.row.run_id, self.row.name)
        return self.content

    @property
    def final(self) -> bool:
        """Whether the stream ends with it: what was not opened ends nothing."""
        return bool(self.row.final) and self.content is not None


def check_name(untrusted_name: str) -> str:
    """The name of a stream. Raises ``InvalidInput``."""
    if not NAME.fullmatch(untrusted_name):
        raise InvalidInput(
            "SR-STREAM-001",
            f"{untrusted_name[:80]!r} is no name of a stream",
            why="it stands in the clear, and in commands",
            fix="use 1 to 128 letters, digits and _ . -",
            field="name",
        )
    return untrusted_name


def from_outside(untrusted_id: str) -> str:
    """The writer's reference for a request id that a client made. Raises ``InvalidInput``."""
    if not REQUEST_ID.fullmatch(untrusted_id):
        raise InvalidInput(
            "SR-STREAM-011",
            "the request id is not 1 to 128 printable characters of ASCII without space",
            fix="use a ULID or a UUID, another one for each chunk",
            field="request_id",
        )
    return FROM_OUTSIDE + untrusted_id


def place_of_chunk(row: ChunkRow, previous: ChunkRow | None) -> Place:
    """Where the content of ``row`` is sealed, behind ``previous``: what opens there was written there.

    Raises ``Tampered`` when ``previous`` is not the one before, or its columns hold what nothing here writes.
    """
    if row.final not in (0, 1) or row.index != (0 if previous is None else previous.index + 1):
        raise tampered(row.run_id, row.name)
    return Place(
        run_id=row.run_id,
        event_type=EVENT_TYPE,
        correlation_id=row.name,
        field=FIELD,
        index=row.index,
        final=bool(row.final),
        previous_tag=b"" if previous is None else tag_of(previous.sealed),
    )


def open_chunk(keys: RunEncryptor, row: ChunkRow, previous: ChunkRow | None) -> bytes:
    """The content of ``row``. Raises ``Tampered``, or ``KeyMissing``."""
    try:
        return keys.decrypt(row.sealed, SealContext(place_of_chunk(row, previous)))
    except Tampered:
        raise tampered(row.run_id, row.name) from None


def key_version(row: ChunkRow) -> int:
    """The version that ``row`` names. Raises ``Tampered``."""
    try:
        return key_version_of(row.sealed)
    except Tampered:
        raise tampered(row.run_id, row.name) from None


def tampered(run_id: str, name: str) -> Tampered:
    """What to raise when a stream is not what was written."""
    return Tampered(f"stream {name} of run {run_id}", run_id=run_id, stream=name)
