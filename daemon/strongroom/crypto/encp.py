"""``encp``: sealed boxes for a run that the writer cannot read, such as a hook that is answered from elsewhere.

``"encp" ‖ ephemeral X25519 public key 32 ‖ nonce 12 ‖ AES-256-GCM ciphertext ‖ tag 16``. The run's key pair follows
from its key; the public half is published, and whoever has it can seal and not open.
Source: contracts/run-encryption.md 3.
"""

from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from strongroom.crypto.base64_text import decode_strict_base64, encode_base64
from strongroom.crypto.encr import BODY_BYTES_MIN, REASON, decrypt_body, encrypt_body
from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.crypto.payload_format import PREFIX_BYTES, Format
from strongroom.errors import InvalidInput, RuntimeDecryptionError

__all__ = ["BOX_BYTES_MIN", "BoxWriter", "RunKeyPair", "SealTarget"]

BOX_BYTES_MIN: Final = KEY_BYTES + BODY_BYTES_MIN
SEALS_PER_AGREEMENT_MAX: Final = 2**24
"""As for the key of a run: far below the bound for random nonces. A writer then agrees on another key by itself."""
PUBLIC_TEXT_CHARS_MAX: Final = 64  # 44 are a key; what is much longer is not even looked at
_SALT: Final = bytes(32)
_SCALAR_INFO: Final = b"workflow/encp/x25519/v1"
_CONTENT_INFO: Final = b"workflow/encp/aes256gcm/v1"


class RunKeyPair:
    """The key pair of a run, which opens what was sealed to it and seals nothing. ``public`` has 32 bytes."""

    __slots__ = ("_private", "public")

    def __init__(self, run_key: Key) -> None:
        """Derive the pair from the key of the run: whoever can open the run's ``encr`` payloads has it."""
        scalar = run_key.derive(salt=_SALT, info=_SCALAR_INFO)
        self._private = X25519PrivateKey.from_private_bytes(scalar._raw)  # noqa: SLF001 - keys are looked at inside this package
        self.public: bytes = self._private.public_key().public_bytes_raw()

    @property
    def public_text(self) -> str:
        """The public half as base64, as the record of a run has it."""
        return encode_base64(self.public)

    def open_body(self, body: bytes, *, associated: bytes = b"", behind: int = 0, format_prefix: str = "") -> bytes:
        """What stands in a box behind a head of ``behind`` bytes; a large one is not copied to be opened.

        Raises ``RuntimeDecryptionError``, which names ``format_prefix``.
        """
        if len(body) - behind < BOX_BYTES_MIN:
            raise RuntimeDecryptionError(
                "SR-INTEROP-007",
                "Sealed payload too short",
                why=f"expected at least {BOX_BYTES_MIN} bytes, got {len(body) - behind}",
                fix="fetch the payload again: part of it is missing",
                byte_length=len(body) - behind,
                format_prefix=format_prefix,
            )
        sealed_from = behind + KEY_BYTES
        ephemeral = body[behind:sealed_from]
        try:
            shared = Key(self._private.exchange(X25519PublicKey.from_public_bytes(ephemeral)))
        except ValueError:
            raise RuntimeDecryptionError(
                "SR-INTEROP-008",
                "X25519 key agreement failed while opening a sealed payload",
                why=REASON,
                fix="ask the sender for it again: its key is a point of low order",
                byte_length=KEY_BYTES,
                format_prefix=format_prefix,
            ) from None
        content_key = _content_key(shared, ephemeral, self.public)
        return decrypt_body(content_key, body, associated=associated, behind=sealed_from, format_prefix=format_prefix)

    def open(self, payload: bytes) -> bytes:
        """What an ``encp`` payload holds. Raises ``RuntimeDecryptionError``. Its prefix was read before."""
        return self.open_body(payload, behind=PREFIX_BYTES, format_prefix=Format.ENCP)

    def __repr__(self) -> str:
        """The public half, which is public."""
        return f"<RunKeyPair {self.public.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a RunKeyPair cannot be pickled or copied")


class SealTarget:
    """The public half of a run's key pair: it seals to that run and opens nothing."""

    __slots__ = ("public",)

    def __init__(self, public: bytes) -> None:
        """Take 32 public bytes. Raises ``InvalidInput`` for another length."""
        if len(public) != KEY_BYTES:
            raise _wrong_public_key(f"it has {len(public)} bytes")
        self.public = bytes(public)

    @classmethod
    def from_text(cls, text: str) -> "SealTarget":
        """The target whose public key the record of a run has as base64. Raises ``InvalidInput`` for anything else."""
        public = decode_strict_base64(text) if len(text) <= PUBLIC_TEXT_CHARS_MAX else None
        if public is None:
            raise _wrong_public_key("it is not base64")
        return cls(public)

    def seal(self, plaintext: bytes) -> bytes:
        """An ``encp`` payload of ``plaintext``, 64 bytes longer. Raises ``InvalidInput`` for a key of low order."""
        return BoxWriter(self).seal(plaintext)

    def __repr__(self) -> str:
        """The public half, which is public."""
        return f"<SealTarget {self.public.hex()}>"


class BoxWriter:
    """Seals many payloads to one run under one key agreement, with a fresh nonce each. One thread at a time."""

    __slots__ = ("_ephemeral", "_key", "_left", "_target")

    def __init__(self, target: SealTarget) -> None:
        """Agree on a key. Raises ``InvalidInput`` for a public key under which anybody could open what is sealed."""
        self._target = target
        self._agree()

    def seal_body(self, plaintext: bytes, *, associated: bytes = b"", head: bytes = b"") -> bytes:
        """A box of ``plaintext`` behind ``head``, 60 bytes longer than both. Raises ``LimitExceeded``."""
        if self._left == 0:
            self._agree()
        self._left -= 1
        return encrypt_body(self._key, plaintext, associated=associated, head=head + self._ephemeral)

    def seal(self, plaintext: bytes) -> bytes:
        """An ``encp`` payload of ``plaintext``. Raises ``LimitExceeded``."""
        return self.seal_body(plaintext, head=Format.ENCP.prefix)

    def _agree(self) -> None:
        # The private half is dropped at once: what is kept can seal more, and open nothing that others sealed.
        private = X25519PrivateKey.generate()
        self._ephemeral = private.public_key().public_bytes_raw()
        try:
            shared = Key(private.exchange(X25519PublicKey.from_public_bytes(self._target.public)))
        except ValueError:
            raise InvalidInput(
                "SR-INTEROP-010",
                "X25519 key agreement failed: the recipient public key is not a valid curve point"
                " (low-order point or corrupted key material)",
                fix="fetch the record of the run again",
                field="public key",
            ) from None
        self._key = _content_key(shared, self._ephemeral, self._target.public)
        self._left = SEALS_PER_AGREEMENT_MAX

    def __repr__(self) -> str:
        """To whom it seals."""
        return f"<BoxWriter to {self._target.public.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a BoxWriter cannot be pickled or copied")


def _content_key(shared: Key, ephemeral: bytes, recipient: bytes) -> Key:
    return shared.derive(salt=_SALT, info=_CONTENT_INFO + ephemeral + recipient)


def _wrong_public_key(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-INTEROP-011",
        "a run's public key is 32 bytes in standard base64",
        why=why,
        fix="copy encryptionPublicKey from the record of the run, whole",
        field="public key",
    )
