"""``srn1``: the envelope of everything a run's journal holds, bound to its place in the journal.

``"srn1" ‖ key version u32 ‖ nonce 12 ‖ AES-256-GCM ciphertext ‖ tag 16``. The associated data names the run, the event,
the field and the tag of the event before, so an envelope opens in one place only: it cannot be moved to another run or
field, and no event can be removed from the middle, repeated or reordered.
Source: contracts/run-encryption.md 14.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.aes_gcm import TAG_BYTES, decrypt, encrypt
from strongroom.crypto.envelope import HEADER_BYTES, header, version_of
from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput

__all__ = ["PREFIX", "Place", "key_version_of", "open_sealed", "seal", "tag_of"]

PREFIX: Final = b"srn1"
INDEX_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run's journal an envelope belongs.

    ``index`` is u64; ``final`` marks the last event of a run; ``previous_tag`` is the tag of the run's previous event,
    empty for the first.
    """

    run_id: str
    event_type: str
    correlation_id: str
    field: str
    index: int
    final: bool
    previous_tag: bytes

    def associated_data(self, key_version: int) -> bytes:
        """The bytes that bind an envelope to this place. Raises ``InvalidInput`` when ``index`` is no u64."""
        if not 0 <= self.index <= INDEX_MAX:
            raise InvalidInput("SR-SEAL-004", f"event index {self.index} is not in 0..{INDEX_MAX}", field="index")
        return b"".join(
            (
                header(_LABEL, key_version),
                length_prefixed(self.run_id, self.event_type, self.correlation_id, self.field),
                self.index.to_bytes(8, "big"),
                b"\x01" if self.final else b"\x00",
                length_prefixed(self.previous_tag),
            )
        )


def seal(key: Key, key_version: int, place: Place, plaintext: bytes) -> bytes:
    """An envelope of ``plaintext`` that opens at ``place`` only. ``key`` is the run's key of ``key_version``."""
    return encrypt(key, plaintext, place.associated_data(key_version), head=header(PREFIX, key_version))


def open_sealed(key_of: Callable[[int], Key], place: Place, blob: bytes) -> bytes:
    """The plaintext of an envelope found at ``place``.

    ``key_of`` gives the run's key of a version, or raises ``KeyMissing``. Every other failure is ``Tampered``.
    """
    version = version_of(PREFIX, blob)
    return decrypt(key_of(version), blob, place.associated_data(version), behind=HEADER_BYTES)


def key_version_of(blob: bytes) -> int:
    """The key version an envelope names. Raises ``Tampered`` when it is no ``srn1`` envelope."""
    return version_of(PREFIX, blob)


def tag_of(blob: bytes) -> bytes:
    """The last 16 bytes, which the next event binds itself to. Raises ``Tampered`` when it is no ``srn1`` envelope."""
    version_of(PREFIX, blob)
    return blob[-TAG_BYTES:]


_LABEL: Final = length_prefixed(PREFIX)
