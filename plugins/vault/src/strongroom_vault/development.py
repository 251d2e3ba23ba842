"""What a development vault makes for itself: keys, a CA, a test policy, and the configuration of its runners.

Rule 1: a key that is there is never replaced, and nothing is made for a store that is one for production.
Rule 2: a policy that a person wrote is left alone. The one that was made here is made anew, with a higher epoch, when
the runner or the verifiers changed; so is the enclave configuration.
Rule 3: a policy is there before its signature, and both before the configuration that names its epoch: what is cut off
in between is mended at the next start.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.measurement import RUNNER_PACKAGES, measurement_of
from strongroom.attest.policy import POLICY_BYTES_MAX, Policy, open_policy, sign_policy
from strongroom.attest.vault_identity import PRODUCTION_STORE, TEST_STORE
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Misconfigured
from strongroom.plugin.installed import program_files
from strongroom_vault.floors import POLICY_EPOCH_FLOOR, floor
from strongroom_vault.key import create_key_file, load_key_file
from strongroom_vault.owners import DEVELOPMENT_OWNER_NAME
from strongroom_vault.policy_text import GENERATED, TestPolicy
from strongroom_vault.public_files import read_file
from strongroom_vault.records import Records
from strongroom_vault.settings import VaultSettings
from strongroom_vault.shelf import Shelf
from strongroom_vault.state import State
from strongroom_vault.verifiers import installed_pin

__all__ = ["POLICY_KEY_NAME", "VAULT_PUBLIC_NAME", "make_test_home", "new_signing_key", "prepare", "write_public"]

POLICY_KEY_NAME: Final = "vault-policy.key"
OWNER_KEY_NAME: Final = "development-owner.key"
AUTHORITY_NAME: Final = "development-ca.key"
AUTHORITY_CERTIFICATE_NAME: Final = "development-ca.der"
VAULT_PUBLIC_NAME: Final = "vault.pub"


def prepare(settings: VaultSettings, state: State, log: logging.Logger, *, now: datetime) -> None:
    """Make what is missing. Raises ``Misconfigured`` for a file that is there and cannot be used, and ``KeyMissing``
    when the key is not the one of what is stored; then nothing is made."""
    records = Records(state)
    with state.transaction() as database:
        row = database.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
        epoch_floor = floor(database, POLICY_EPOCH_FLOOR)
    if row is not None and row[0].decode() == PRODUCTION_STORE:
        return
    if not settings.key_file.exists():
        if Shelf.in_use(records):
            return
        create_key_file(settings.key_file)
        log.warning("created a development vault key in %s", settings.key_file)
    Shelf(records, load_key_file(settings.key_file, store=TEST_STORE)).check_key()
    try:
        make_test_home(settings, now=now, epoch_floor=epoch_floor)
    except Misconfigured as error:
        if error.code not in _NOT_INSTALLED:
            raise
        log.warning("no development policy was made: %s", error)


def make_test_home(settings: VaultSettings, *, now: datetime, epoch_floor: int = 0) -> None:
    """Everything of a vault for tests, beside its key, which must be there. ``epoch_floor`` is the epoch that was in
    force last. Raises ``Misconfigured``."""
    home = settings.home
    key = load_key_file(settings.key_file, store=TEST_STORE)
    write_public(home / VAULT_PUBLIC_NAME, _hex(key.signing.public))
    owner = _signing_key(home / OWNER_KEY_NAME)
    write_public(home / DEVELOPMENT_OWNER_NAME, _hex(owner.public))
    authority = _authority(home / AUTHORITY_NAME, now)
    write_public(home / AUTHORITY_CERTIFICATE_NAME, authority.certificate)
    content = _current(settings.policy_file)
    if content is not None and not content.startswith(GENERATED.encode()):
        return
    signer = _signing_key(home / POLICY_KEY_NAME)
    write_public(settings.policy_public_key, _hex(signer.public))
    wanted = TestPolicy(
        pin=installed_pin(),
        measurement=measurement_of(program_files(RUNNER_PACKAGES)).hex(),
        anchor=authority.fingerprint,
        pcrs=settings.development_pcrs,
    )
    epoch = _PolicyFile(settings.policy_file, signer, epoch_floor).renew(wanted.text)
    for path in settings.enclave_config_files[:1]:
        write_public(path, EnclaveConfig(vault_public_key=key.signing.public, policy_epoch=epoch).encode())


@dataclass(frozen=True, slots=True)
class _PolicyFile:
    """The policy that is made here, and the epoch below which none may be."""

    path: Path
    signer: SigningKey
    epoch_floor: int

    def renew(self, text_of: Callable[[int], str]) -> int:
        """Make the file what it should be, and return its epoch: the old one where nothing changed."""
        found = self._found()
        if found is not None and _current(self.path) == text_of(found.epoch).encode():
            return found.epoch
        epoch = max(found.epoch if found is not None else 0, self.epoch_floor) + 1
        content = text_of(epoch).encode()
        signature = sign_policy(content, self.signer)
        write_public(self.path, content)
        write_public(self.path.with_name(self.path.name + ".sig"), signature)
        return epoch

    def _found(self) -> Policy | None:
        """The policy as it is, None where it does not hold, or is older than it may be."""
        content, signature = _current(self.path), _current(self.path.with_name(self.path.name + ".sig"))
        if content is None or signature is None:
            return None
        try:
            found = open_policy(content, signature, public=self.signer.public, file=self.path.name)
        except Misconfigured:
            return None
        return found if found.epoch >= self.epoch_floor else None


def new_signing_key(path: Path) -> SigningKey:
    """A fresh key, in a new file. Raises ``Misconfigured``."""
    key = SigningKey.generate()
    try:
        key.save(path)
    except OSError as error:
        raise _not_written(path, error) from error
    return key


def _signing_key(path: Path) -> SigningKey:
    """The key in ``path``, which is made if it is not there."""
    return SigningKey.load(path) if path.exists() else new_signing_key(path)


def _authority(path: Path, now: datetime) -> DevelopmentAuthority:
    if not path.exists():
        try:
            DevelopmentAuthority.generate(now=now).save(path)
        except OSError as error:
            raise _not_written(path, error) from error
    return DevelopmentAuthority.load(path)


def _current(path: Path) -> bytes | None:
    try:
        return read_file(path, POLICY_BYTES_MAX, what="policy")
    except FileNotFoundError:
        return None


def write_public(path: Path, content: bytes) -> None:
    """Replace a public file in one step, unless it is so already. Raises ``Misconfigured``."""
    try:
        if path.exists() and path.read_bytes() == content:
            return
        fresh = path.with_name(f".{path.name}.new")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error


def _hex(public: bytes) -> bytes:
    return public.hex().encode() + b"\n"


def _not_written(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        "SR-VAULT-013",
        f"{path} cannot be written",
        why=error.strerror or "",
        fix="see that its directory is there, belongs to the vault's user, and has room",
        where=str(path),
    )


_NOT_INSTALLED: Final = frozenset({"SR-PLUG-090", "SR-PLUG-091"})
"""What a vault alone, without the runner beside it, lacks."""
