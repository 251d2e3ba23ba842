"""Whether a vault is the one that is meant, before anything is sealed to it.

Rule 1: a vault with another key than the pinned one is refused. So is one that does not say who it is, where a key is
pinned: a hostile host could otherwise put a vault of its own in between.
Rule 2: trust on first use needs a person at a terminal, who sees the fingerprint. Without one, a test vault is taken
with a warning, and a production vault is not.
"""

import sys
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from strongroom.attest.release import Signed
from strongroom.attest.vault_identity import PRODUCTION_STORE, VaultIdentity, read_identity
from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure
from strongroom.cli.vault_calls import LacksMethod, call_vault
from strongroom.cli.vault_pins import Pin, find_pin, remember
from strongroom.crypto.signing import key_id
from strongroom.errors import Forbidden
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2

__all__ = ["TrustedVault", "VaultKey", "ask_identity", "check_pin", "trusted_vault"]

VaultKey = Annotated[
    str,
    typer.Option("--vault-key", help="Key that the vault must have: 64 hex digits, or a file.", metavar="HEX|FILE"),
]
PIN_IT: Final = "--vault-key, or the setting vault_public_key_file"


@dataclass(frozen=True, slots=True)
class TrustedVault:
    """Who it is, and what it was verified by; empty when it was not."""

    identity: VaultIdentity
    verified_by: str


def ask_identity(host: Host, owner: str) -> VaultIdentity:
    """Who the vault says that it is, signed by the key that it names. Raises ``LacksMethod`` where it does not say."""
    answer = call_vault(
        host,
        owner,
        "vault.identity.get",
        strongroom_vault_pb2.IdentityRequest(),
        strongroom_vault_pb2.IdentityResponse,
    )
    return read_identity(Signed(answer.body, answer.signature))


def trusted_vault(caller: Caller, host: Host, owner: str, named: str) -> TrustedVault | None:
    """The vault of the host, when it is the one that is meant; None for one that cannot say who it is, when no key is
    pinned. ``named`` is ``--vault-key``. Raises ``Failure``, ``EvidenceRejected``."""
    pin = find_pin(caller, named)
    try:
        identity = ask_identity(host, owner)
    except LacksMethod:
        if pin is None:
            return None
        raise _forbidden(
            "SR-CLI-114",
            "the vault does not say who it is",
            why=f"it knows no vault.identity.get, and {pin.source} names the key that it must have",
            fix="have the host use that vault; if another one is meant, take the pinned key away",
        ) from None
    if pin is not None:
        check_pin(identity, pin)
        return TrustedVault(identity, pin.source)
    return _first_use(caller, identity)


def check_pin(identity: VaultIdentity, pin: Pin) -> None:
    """Raise ``Failure`` unless the vault has the pinned key."""
    if identity.vault_public_key != pin.public:
        raise _forbidden(
            "SR-CLI-115",
            "this is another vault than the one that is pinned",
            why=f"it has the key {identity.vault_public_key.hex()}, and {pin.source} names {pin.public.hex()}",
            fix="ask its operator whether the key was changed on purpose, and change the pinned one only then",
        )


def _first_use(caller: Caller, identity: VaultIdentity) -> TrustedVault:
    fingerprint = f"SHA-256 {key_id(identity.vault_public_key).hex()}"
    if sys.stdin.isatty() and not caller.no_input:
        caller.note(f"The vault of this host ({identity.store} store, {identity.vault}) is not known here.")
        caller.note(f"Its key has the fingerprint {fingerprint}")
        caller.note("Compare that with what its operator told you.")
        caller.confirm("Trust this vault from now on?", yes=False)
        return TrustedVault(identity, str(remember(caller, identity.vault_public_key)))
    if identity.store == PRODUCTION_STORE:
        raise _forbidden(
            "SR-CLI-116",
            "this vault could not be verified",
            why=f"no key is pinned for it, and there is no terminal to ask at; the fingerprint of its is {fingerprint}",
            fix=f"pin the key that its operator names: {PIN_IT}",
        )
    caller.note(f"warning: this vault could not be verified ({fingerprint}); it is a test vault, so it is used all the")
    caller.note(f"  same. To verify it, pin its key: {PIN_IT}")
    return TrustedVault(identity, "")


def _forbidden(code: str, what: str, *, why: str, fix: str) -> Failure:
    return Failure(Forbidden(code, what, why=why, fix=fix), Exit.PERMISSION)
