"""Opening payloads that others wrote, and writing such that they open. Both are explicit calls; nothing is guessed.

A payload is, from the outside in, ``encr`` or ``encp`` around ``gzip`` or ``zstd`` around ``devl``, whose body stays
bytes here. Source: contracts/run-encryption.md 3, 4, 8 and 11.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

from strongroom.crypto.compression import Codec, compressed, decompressed
from strongroom.crypto.encp import BoxWriter, RunKeyPair, SealTarget
from strongroom.crypto.encr import open_encr, seal_encr
from strongroom.crypto.keys import Key
from strongroom.crypto.payload_format import PAYLOAD_BYTES_MAX, Format, binary, format_of
from strongroom.errors import InvalidInput, RuntimeDecryptionError
from strongroom.interop.capabilities import EVERY_ABILITY, Ability
from strongroom.interop.refusals import no_key_to_write, not_encrypted

__all__ = ["OpeningKeys", "RunPayloadKeys", "WritingKeys", "open_payload", "write_payload", "writing_keys"]

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class RunPayloadKeys:
    """All that opens the payloads of one run: its key for ``encr``, and the pair that follows from it for ``encp``."""

    symmetric: Key
    pair: RunKeyPair

    @classmethod
    def of(cls, run_key: Key) -> "RunPayloadKeys":
        """Both from the key of the run."""
        return cls(run_key, RunKeyPair(run_key))


OpeningKeys = RunPayloadKeys | Key | SealTarget | None
"""What whoever opens holds: everything, the key without the pair, the public half alone, or nothing."""
WritingKeys = RunPayloadKeys | Key | SealTarget | BoxWriter | None
"""What whoever writes holds; a ``BoxWriter`` is a target with which a key was agreed on for many payloads."""


def open_payload(
    payload: Value, keys: OpeningKeys, *, strict: bool = True, bytes_max: int = PAYLOAD_BYTES_MAX
) -> Value | bytes:
    """What a payload holds, decrypted and decompressed: ``devl`` and its text, as a rule.

    With ``strict`` everything that is neither ``encr`` nor ``encp`` is refused, so nobody can put plaintext in the
    place of what was encrypted. Without it such data is given back as it is: that is for runs that never had a key.
    Raises ``RuntimeDecryptionError``; ``InvalidInput`` for what was encrypted in a damaged compressed form;
    ``LimitExceeded`` for what is larger than ``bytes_max`` when it is decompressed.
    """
    raw = binary(payload)
    kind = None if raw is None else format_of(raw)
    if raw is not None and kind is Format.ENCR:
        opened = open_encr(_symmetric(raw, keys), raw)
    elif raw is not None and kind is Format.ENCP:
        opened = _pair(raw, keys).open(raw)
    elif strict:
        raise not_encrypted(raw)
    elif raw is None:
        return payload
    else:
        opened = raw
    return decompressed(opened, bytes_max=bytes_max)


def write_payload(
    payload: Value,
    keys: WritingKeys,
    *,
    codec: Codec | None = None,
    abilities: AbstractSet[Ability] = EVERY_ABILITY,
    strict: bool = True,
) -> Value | bytes:
    """``payload``, which is a ``devl`` one as a rule, as its run gets it: compressed where asked, and encrypted.

    ``abilities`` are those of the version that the target run has recorded (``abilities_of``). What it cannot read is
    not compressed; what it could not decrypt is refused, or written in the clear without ``strict``. The same goes for
    a missing key and for data that is not bytes.
    Raises ``InvalidInput``, and ``LimitExceeded`` for more than 100,000,000 bytes.
    """
    inner = binary(payload)
    if inner is None:
        if strict:
            raise no_key_to_write()
        return payload
    if codec is not None and Ability(codec.value) in abilities:
        inner = compressed(inner, codec)
    if keys is None:
        if strict:
            raise no_key_to_write()
        return inner
    boxed = isinstance(keys, SealTarget | BoxWriter)
    needed = Ability.ENCP if boxed else Ability.ENCR
    if needed not in abilities:
        if strict:
            raise InvalidInput(
                "SR-INTEROP-022",
                f"the target run cannot read {needed}",
                why="the version of the program that started it is unknown, or older than that format",
                fix="start it with a newer version, or give strict=False to write in the clear",
                field="abilities",
            )
        return inner
    if isinstance(keys, SealTarget | BoxWriter):
        return keys.seal(inner)
    return seal_encr(keys.symmetric if isinstance(keys, RunPayloadKeys) else keys, inner)


def writing_keys(*, own_run: bool, own_key: Key | None, public_key: str | None) -> Key | SealTarget | None:
    """What a writer uses: its own key for its own run, and for another one that run's public key, if it has any.

    Raises ``InvalidInput`` for a public key that is none.
    """
    if own_run:
        return own_key
    return SealTarget.from_text(public_key) if public_key else None


def _symmetric(payload: bytes, keys: OpeningKeys) -> Key:
    if isinstance(keys, RunPayloadKeys):
        return keys.symmetric
    if isinstance(keys, Key):
        return keys
    raise RuntimeDecryptionError(
        "SR-INTEROP-006",
        "Encrypted data encountered but no encryption key is available."
        " Encryption is not configured or no key was provided for this run.",
        fix="give the key of the run",
        byte_length=len(payload),
        format_prefix=Format.ENCR,
    )


def _pair(payload: bytes, keys: OpeningKeys) -> RunKeyPair:
    if isinstance(keys, RunPayloadKeys):
        return keys.pair
    raise RuntimeDecryptionError(
        "SR-INTEROP-009",
        "Sealed data encountered but no run keypair is available."
        " Opening a sealed payload requires the run's own encryption key material;"
        " a symmetric key or a seal-only target cannot decrypt it.",
        fix="give RunPayloadKeys.of the key of the run",
        byte_length=len(payload),
        format_prefix=Format.ENCP,
    )
