"""The encryptor of a deployment, under the names that it has elsewhere.

Rule 1: each part may be missing here, and only here; the engine does not start without all three.
Rule 2: ``get_key_material`` gives the key of one run. The deployment key, which opens all of them, is never given out.
Rule 3: strict is the default: what has no part, and what is not encrypted, is refused and not passed on.

Source: contracts/run-encryption.md 2, 6, 14 rows 1, 3 and 9.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol, TypeVar

from strongroom.crypto.base64_text import decode_base64
from strongroom.crypto.encr import import_deployment_key, open_encr, run_key, run_key_material, seal_encr
from strongroom.crypto.key_material import KeyMaterial
from strongroom.crypto.keys import Key
from strongroom.crypto.payload_format import Format, binary, format_of
from strongroom.errors import Misconfigured, RuntimeDecryptionError, SealBudgetExceeded
from strongroom.interop.refusals import no_key_to_write, not_encrypted

__all__ = [
    "DEPLOYMENT_KEY_VARIABLE",
    "PROJECT_ID_VARIABLE",
    "EmptyEncryptor",
    "EncryptionContext",
    "Encryptor",
    "KeyMaterial",
    "create_encryptor",
    "create_encryptor_from_env",
    "maybe_decrypt",
    "maybe_encrypt",
]

DEPLOYMENT_KEY_VARIABLE: Final = "VERCEL_DEPLOYMENT_KEY"
PROJECT_ID_VARIABLE: Final = "VERCEL_PROJECT_ID"
SEALS_PER_RUN_MAX: Final = 2**24  # far below the bound for random nonces under one key
KEYS_KEPT_MAX: Final = 4096  # deriving one again takes microseconds

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class EncryptionContext:
    """The run that data belongs to; ``run_id`` with its ``wrun_``."""

    run_id: str


class Encryptor(Protocol):
    """Encrypts the data of runs, each under a key of its own."""

    def encrypt(self, data: bytes, context: EncryptionContext) -> bytes:
        """An ``encr`` payload of ``data``."""
        ...

    def decrypt(self, data: bytes, context: EncryptionContext) -> bytes:
        """What an ``encr`` payload holds. Raises ``RuntimeDecryptionError``."""
        ...

    def get_key_material(self, run_id: str) -> KeyMaterial:
        """The key of that run, and what it was derived from."""
        ...


class EmptyEncryptor:
    """An encryptor without any part: what others make of a missing key. Nothing that is strict goes through it."""

    __slots__ = ()


def create_encryptor(*, deployment_key: bytes, project_id: str) -> Encryptor:
    """The encryptor of a project's deployment, with all three parts.

    Raises ``InvalidInput`` for a key that has not 32 bytes and for an empty project.
    """
    key = import_deployment_key(deployment_key)
    run_key(key, project_id, "")  # so that a project that no key can be derived for is refused now
    return _DeploymentEncryptor(key, project_id)


def create_encryptor_from_env(environ: Mapping[str, str] | None = None) -> Encryptor | EmptyEncryptor:
    """The encryptor that the two variables describe; the empty one where either is missing.

    Raises ``Misconfigured`` for a key that is not base64, ``InvalidInput`` for one that has not 32 bytes.
    """
    environ = os.environ if environ is None else environ
    text, project_id = environ.get(DEPLOYMENT_KEY_VARIABLE), environ.get(PROJECT_ID_VARIABLE)
    if not text or not project_id:
        return EmptyEncryptor()
    deployment_key = decode_base64(text)
    if deployment_key is None:
        raise Misconfigured(
            "SR-INTEROP-023",
            f"{DEPLOYMENT_KEY_VARIABLE} is not base64",
            fix="set it to 32 bytes in standard base64",
            where=DEPLOYMENT_KEY_VARIABLE,
        )
    return create_encryptor(deployment_key=deployment_key, project_id=project_id)


def maybe_encrypt(encryptor: object, data: Value, context: EncryptionContext, *, strict: bool = True) -> Value | bytes:
    """``data`` encrypted; where it is not binary or ``encryptor`` has no such part, it stays as it is.

    With ``strict`` that is refused instead. Raises ``InvalidInput`` then.
    """
    encrypt, raw = getattr(encryptor, "encrypt", None), binary(data)
    if encrypt is None or raw is None:
        if strict:
            raise no_key_to_write()
        return data
    sealed: bytes = encrypt(raw, context)
    return sealed


def maybe_decrypt(
    encryptor: object, data: Value, context: EncryptionContext, *, strict: bool = True, in_stream: bool = False
) -> Value | bytes:
    """What ``data`` holds; where it is not binary or has no ``encr`` prefix, it stays as it is.

    With ``strict`` that is refused instead. Raises ``RuntimeDecryptionError``, also where ``encryptor`` cannot decrypt.
    """
    raw = binary(data)
    if raw is None or format_of(raw) is not Format.ENCR:
        if strict:
            raise not_encrypted(raw)
        return data
    decrypt = getattr(encryptor, "decrypt", None)
    if decrypt is None:
        thing = "stream data" if in_stream else "data"
        raise RuntimeDecryptionError(
            "SR-INTEROP-018",
            f"Encrypted {thing} encountered but Encryptor does not support decryption.",
            fix=f"give one that can; in the environment, set {DEPLOYMENT_KEY_VARIABLE} and {PROJECT_ID_VARIABLE}",
            byte_length=len(raw),
            format_prefix=Format.ENCR,
        )
    opened: bytes = decrypt(raw, context)
    return opened


class _Entry:
    __slots__ = ("key", "seals")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.seals = 0


class _DeploymentEncryptor:
    """All three parts for one project's deployment. Safe to call from several threads; it shows nothing."""

    __slots__ = ("_deployment_key", "_entries", "_lock", "_project_id")

    def __init__(self, deployment_key: Key, project_id: str) -> None:
        self._deployment_key = deployment_key
        self._project_id = project_id
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def encrypt(self, data: bytes, context: EncryptionContext) -> bytes:
        """An ``encr`` payload of ``data``. Raises ``LimitExceeded``, and ``SealBudgetExceeded`` after 2^24 of a run."""
        with self._lock:
            entry = self._entry(context.run_id)
            entry.seals += 1
            if entry.seals > SEALS_PER_RUN_MAX:
                raise SealBudgetExceeded(
                    "SR-INTEROP-025",
                    f"this process encrypted more than {SEALS_PER_RUN_MAX} payloads of run {context.run_id[:80]}",
                    why="more under one key would weaken the encryption of all of them",
                    fix="split the work into several runs",
                    limit=SEALS_PER_RUN_MAX,
                )
        return seal_encr(entry.key, data)

    def decrypt(self, data: bytes, context: EncryptionContext) -> bytes:
        """What an ``encr`` payload holds. Raises ``RuntimeDecryptionError``, also for another prefix."""
        with self._lock:
            key = self._entry(context.run_id).key
        return open_encr(key, data)

    def get_key_material(self, run_id: str) -> KeyMaterial:
        """The key of that run, with project and run as its derivation context."""
        return run_key_material(self._deployment_key, self._project_id, run_id)

    def _entry(self, run_id: str) -> _Entry:
        entry = self._entries.get(run_id)
        if entry is not None:
            self._entries.move_to_end(run_id)
            return entry
        entry = self._entries[run_id] = _Entry(run_key(self._deployment_key, self._project_id, run_id))
        if len(self._entries) > KEYS_KEPT_MAX:
            self._entries.popitem(last=False)
        return entry

    def __repr__(self) -> str:
        return "<Encryptor>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an Encryptor cannot be pickled or copied")
