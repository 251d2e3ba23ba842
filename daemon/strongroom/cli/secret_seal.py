"""A value as it is sealed to a vault: with its name, its owner, and how strong a run must be to read it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strongroom.attest.assurance import LOCAL
from strongroom.attest.evidence import HARDWARE
from strongroom.attest.secret_entry import SecretEntry
from strongroom.attest.vault_identity import TEST_STORE, VaultIdentity
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.crypto.box import seal_to
from strongroom.errors import EvidenceRejected

__all__ = ["VALUE_BYTES_MAX", "Assurance", "Terms", "sealed", "sealed_plain", "terms_in"]

VALUE_BYTES_MAX: Final = 1_952
"""What a vault of the network takes: 2000 sealed bytes, and sealing adds 48."""


class Assurance(StrEnum):
    """The classes, from the weakest to the strongest."""

    LOCAL = "local"
    NONE = "none"
    VTPM_UNTRUSTED = "vtpm-untrusted"
    VTPM = "vtpm"
    HARDWARE = "hardware"


@dataclass(frozen=True, slots=True)
class Terms:
    """The least class of a run that may read a secret, and whether it is for tests."""

    min_assurance: str
    is_test_only: bool


def terms_in(identity: VaultIdentity, asked: Assurance | None, *, test_only: bool) -> Terms:
    """The terms in this kind of store. Raises ``Failure`` for a test secret in a production vault."""
    if identity.store == TEST_STORE:
        return Terms(asked.value if asked else LOCAL, is_test_only=True)
    if test_only:
        raise bad_data(
            "SR-CLI-117",
            "a production vault takes no secrets for tests",
            why="tests and production have vaults of their own, with keys of their own",
            fix="leave --test-only out, or use a host whose vault is one for tests",
            exit_code=Exit.USAGE,
        )
    return Terms(asked.value if asked else HARDWARE, is_test_only=False)


def sealed(plain: bytes, identity: VaultIdentity, terms: Terms, *, owner: str, namespace: str, key: str) -> str:
    """The value with its terms, sealed to the vault, in hex. Raises ``Failure`` for a name that cannot be one."""
    entry = SecretEntry(
        owner=owner,
        namespace=namespace,
        key=key,
        value=plain,
        min_assurance=terms.min_assurance,
        is_test_only=terms.is_test_only,
    )
    try:
        encoded = entry.encode(bytes_max=VALUE_BYTES_MAX)
    except EvidenceRejected as error:
        raise bad_data(
            "SR-CLI-128",
            "this cannot be the name of a secret",
            why=f"{error.check.removeprefix('secret ')}: {error.why}",
            fix="the vault takes at most 64 bytes for a key and for a namespace",
        ) from None
    return seal_to(identity.box_public_key.hex(), encoded).hex()


def sealed_plain(plain: bytes, public_hex: str, asked: Assurance | None, *, test_only: bool) -> str:
    """The value alone, for a vault that does not say who it is. Raises ``Failure`` when terms were asked for."""
    if asked is not None or test_only:
        raise bad_data(
            "SR-CLI-118",
            "this vault knows no terms",
            why="it is not one of strongroom, and would release the secret to any run of its owner",
            fix="leave --min-assurance and --test-only out, or use a vault of strongroom",
        )
    return seal_to(public_hex, plain).hex()
