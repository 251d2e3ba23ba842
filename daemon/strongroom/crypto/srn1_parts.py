"""Content of any size as ``srn1``: one envelope up to 256 KiB, a sequence of them beyond.

Every part but the last holds exactly 256 KiB, so the length of the whole says where each one begins. The associated
data of a part is that of its place, then its number, whether it is the last, and the tag of the part before: a part
that is cut off, moved, repeated, left out or taken from another sealing of the same place is ``Tampered``. Content of
up to 256 KiB is a plain ``srn1`` envelope, and larger single envelopes, as they were written once, still open.
Source: docs/decisions/0015, docs/run-format.md.
"""

from collections.abc import Callable
from typing import Final

from strongroom.crypto.aes_gcm import TAG_BYTES, decrypt, encrypt
from strongroom.crypto.envelope import ENVELOPE_BYTES_MIN, HEADER_BYTES, header, version_of
from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import PREFIX, Place, open_sealed, seal
from strongroom.errors import Tampered

__all__ = ["PART_BYTES_MAX", "PART_ENVELOPE_BYTES_MAX", "open_content", "parts_in", "parts_of", "seal_content"]

PART_BYTES_MAX: Final = 256 * 1024
"""Plaintext of one envelope: what is read has been authenticated after at most so much."""
PART_ENVELOPE_BYTES_MAX: Final = ENVELOPE_BYTES_MIN + PART_BYTES_MAX
_LABEL: Final = length_prefixed("part")


def seal_content(key: Key, key_version: int, place: Place, content: bytes) -> bytes:
    """``content`` sealed at ``place``: one envelope, or several, one after the other."""
    count = parts_of(len(content))
    if count == 1:
        return seal(key, key_version, place, content)
    head, where = header(PREFIX, key_version), place.associated_data(key_version)
    view, sealed, tag = memoryview(content), list[bytes](), b""
    for number in range(count):
        part = bytes(view[number * PART_BYTES_MAX : (number + 1) * PART_BYTES_MAX])
        sealed.append(encrypt(key, part, _associated(where, number, number == count - 1, tag), head=head))
        tag = sealed[-1][-TAG_BYTES:]
    return b"".join(sealed)


def open_content(key_of: Callable[[int], Key], place: Place, blob: bytes) -> bytes:
    """The content that was sealed at ``place``, in one envelope or in several.

    ``key_of`` gives the run's key of a version, or raises ``KeyMissing``. Every other failure is ``Tampered``.
    """
    version = version_of(PREFIX, blob)
    head = blob[:HEADER_BYTES]
    if blob[PART_ENVELOPE_BYTES_MAX : PART_ENVELOPE_BYTES_MAX + HEADER_BYTES] != head:
        # One envelope, or something that was cut right behind its first part, which does not open as one.
        return open_sealed(key_of, place, blob)
    key, where = key_of(version), place.associated_data(version)
    view, opened, tag = memoryview(blob), list[bytes](), b""
    count = parts_in(len(blob))
    for number in range(count):
        part = bytes(view[number * PART_ENVELOPE_BYTES_MAX : (number + 1) * PART_ENVELOPE_BYTES_MAX])
        if not part.startswith(head):
            raise Tampered
        where_of_part = _associated(where, number, number == count - 1, tag)
        opened.append(decrypt(key, part, where_of_part, behind=HEADER_BYTES))
        tag = part[-TAG_BYTES:]
    return b"".join(opened)


def parts_of(content_bytes: int) -> int:
    """How many envelopes content of this size takes."""
    return max(-(-content_bytes // PART_BYTES_MAX), 1)


def parts_in(sealed_bytes: int) -> int:
    """How many envelopes a sealed value of this size is."""
    return max(-(-sealed_bytes // PART_ENVELOPE_BYTES_MAX), 1)


def _associated(where: bytes, number: int, is_last: bool, tag_before: bytes) -> bytes:
    return where + _LABEL + number.to_bytes(8, "big") + (b"\x01" if is_last else b"\x00") + length_prefixed(tag_before)
