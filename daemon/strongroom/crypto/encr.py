"""``encr``: the envelope in which other implementations exchange payloads of runs, and the key of a run there.

``"encr" ‖ nonce 12 ‖ AES-256-GCM ciphertext ‖ tag 16``. It binds nothing: whatever is sealed under a run's key opens
as any payload of that run, so it is for exchange only, and our own journal uses ``srn1``.
Source: contracts/run-encryption.md 2 to 4.
"""

from typing import Final

from strongroom.crypto import aes_gcm
from strongroom.crypto.framing import encoded
from strongroom.crypto.key_material import KeyMaterial, key_material
from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.crypto.payload_format import PREFIX_BYTES, Format, check_size, shown_format
from strongroom.errors import InvalidInput, RuntimeDecryptionError, Tampered

__all__ = [
    "BODY_BYTES_MIN",
    "REASON",
    "decrypt_body",
    "encrypt_body",
    "import_deployment_key",
    "import_run_key",
    "open_encr",
    "run_key",
    "run_key_material",
    "seal_encr",
]

BODY_BYTES_MIN: Final = aes_gcm.OVERHEAD_BYTES
REASON: Final = "The operation failed for an operation-specific reason"
"""What WebCrypto says for every failure, and all that is said here."""
_SALT: Final = bytes(32)
_PREFIX: Final = Format.ENCR.prefix


def import_deployment_key(raw: bytes) -> Key:
    """What the keys of all runs of a deployment are derived from. Raises ``InvalidInput`` unless it has 32 bytes."""
    if len(raw) != KEY_BYTES:
        raise InvalidInput(
            "SR-INTEROP-001",
            "Invalid deployment key length",
            why=f"expected {KEY_BYTES} bytes for AES-256, got {len(raw)} bytes",
            fix="give exactly 32 bytes",
            size=len(raw),
            limit=KEY_BYTES,
        )
    return Key(raw)


def import_run_key(raw: bytes) -> Key:
    """The key of one run, as whoever derived it gave it. Raises ``InvalidInput`` unless it has 32 bytes."""
    if len(raw) != KEY_BYTES:
        raise InvalidInput(
            "SR-INTEROP-002",
            f"Encryption key must be exactly {KEY_BYTES} bytes, got {len(raw)}",
            fix="give the key of the run whole",
            size=len(raw),
            limit=KEY_BYTES,
        )
    return Key(raw)


def run_key(deployment_key: Key, project_id: str, run_id: str) -> Key:
    """The key of a run; ``run_id`` with its ``wrun_``. Raises ``InvalidInput`` without a project.

    The info has no length prefix, as others derive it: a ``|`` in either name can stand for another pair of names.
    """
    if not project_id:
        raise InvalidInput(
            "SR-INTEROP-003", "projectId must be a non-empty string", fix="name the project", field="project_id"
        )
    return deployment_key.derive(salt=_SALT, info=encoded(f"{project_id}|{run_id}"))


def run_key_material(deployment_key: Key, project_id: str, run_id: str) -> KeyMaterial:
    """The key of one run with what it was derived from, to be given out. The deployment key never is."""
    context = {"projectId": project_id, "runId": run_id}
    return key_material(run_key(deployment_key, project_id, run_id), context)


def encrypt_body(key: Key, plaintext: bytes, *, associated: bytes = b"", head: bytes = b"") -> bytes:
    """``head ‖ nonce 12 ‖ ciphertext ‖ tag 16``. Raises ``LimitExceeded``.

    The low level of both envelopes: payloads never have associated data, and whoever gives some must give the same to
    open it.
    """
    check_size(len(plaintext))
    return aes_gcm.encrypt(key, plaintext, associated, head=head)


def decrypt_body(key: Key, body: bytes, *, associated: bytes = b"", behind: int = 0, format_prefix: str = "") -> bytes:
    """What ``encrypt_body`` sealed, with a head of ``behind`` bytes.

    Raises ``RuntimeDecryptionError``, which names ``format_prefix`` if given.
    """
    size = len(body) - behind
    if size < BODY_BYTES_MIN:
        raise RuntimeDecryptionError(
            "SR-INTEROP-004",
            "Encrypted data too short",
            why=f"expected at least {BODY_BYTES_MIN} bytes, got {size}",
            fix="fetch the payload again: part of it is missing",
            byte_length=size,
            format_prefix=format_prefix,
        )
    check_size(size - BODY_BYTES_MIN)
    try:
        return aes_gcm.decrypt(key, body, associated, behind=behind)
    except Tampered:
        raise RuntimeDecryptionError(
            "SR-INTEROP-005",
            "AES-256-GCM decryption failed",
            why=REASON,
            fix="check project, run and deployment key; if they are right, the payload was changed",
            byte_length=size,
            format_prefix=format_prefix,
        ) from None


def seal_encr(key: Key, plaintext: bytes) -> bytes:
    """An ``encr`` envelope of ``plaintext``, 32 bytes longer. Raises ``LimitExceeded``."""
    return encrypt_body(key, plaintext, head=_PREFIX)


def open_encr(key: Key, payload: bytes) -> bytes:
    """What an ``encr`` envelope holds. Raises ``RuntimeDecryptionError``, also for another prefix."""
    if not payload.startswith(_PREFIX):
        raise RuntimeDecryptionError(
            "SR-INTEROP-017",
            f"Expected 'encr' prefix for encrypted data, got '{shown_format(payload) or '????'}'",
            fix="give the payload as it was stored, whole",
            byte_length=len(payload),
            format_prefix=shown_format(payload),
        )
    return decrypt_body(key, payload, behind=PREFIX_BYTES, format_prefix=Format.ENCR)
