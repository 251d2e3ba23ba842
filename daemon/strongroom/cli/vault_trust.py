"""Whether a vault is the one that is meant, before anything is sealed to it.

Rule 1: a vault with another key than the pinned one is refused. So is one that does not say who it is, where a key is
pinned: a hostile host could otherwise put a vault of its own in between.
Rule 2: without a pinned key a person at a terminal agrees, who sees the fingerprint if there is one, or the owner said
``--unverified``. What the host says of its vault decides nothing here: a hostile one says that it is for tests, or that
it cannot say who it is.
"""

import sys
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from strongroom.attest.release import Signed
from strongroom.attest.vault_identity import VaultIdentity, read_identity
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


def trusted_vault(caller: Caller, host: Host, owner: str, named: str, *, unverified: bool) -> TrustedVault | None:
    """The vault of the host, when it is the one that is meant; None for one that cannot say who it is, when no key is
    pinned and the owner wants it all the same. ``named`` is ``--vault-key``, ``unverified`` is ``--unverified``, which
    takes the place of an agreement and never of a pinned key. Raises ``Failure``, ``EvidenceRejected``."""
    pin = find_pin(caller, named)
    try:
        identity = ask_identity(host, owner)
    except LacksMethod:
        if pin is None:
            _agree_to_foreign(caller, unverified=unverified)
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
    return _first_use(caller, identity, unverified=unverified)


def check_pin(identity: VaultIdentity, pin: Pin) -> None:
    """Raise ``Failure`` unless the vault has the pinned key."""
    if identity.vault_public_key != pin.public:
        # The vault signed with its own key, which is public for that reason. Of the pinned one nobody knows.
        own = f"{identity.vault_public_key.hex()} ({fingerprint(identity.vault_public_key)})"
        raise _forbidden(
            "SR-CLI-115",
            "this is another vault than the one that is pinned",
            why=f"it has the key {own}, and {pin.source} names the key {fingerprint(pin.public)}",
            fix="ask its operator whether the key was changed on purpose, and change the pinned one only then",
        )


def fingerprint(public: bytes) -> str:
    """What people compare of a key: nothing of a file that held another one than was meant is shown by it."""
    return f"SHA-256 {key_id(public).hex()}"


def _first_use(caller: Caller, identity: VaultIdentity, *, unverified: bool) -> TrustedVault:
    shown = fingerprint(identity.vault_public_key)
    if unverified:
        caller.note(f"warning: this vault could not be verified ({shown}); with --unverified it is used all the")
        caller.note(f"  same. To verify it, pin its key: {PIN_IT}")
        return TrustedVault(identity, "")
    if _can_ask(caller):
        # Also with --quiet: nobody can agree to what is not shown.
        caller.warn(f"The vault of this host ({identity.store} store, {identity.vault}) is not known here.")
        caller.warn(f"Its key has the fingerprint {shown}")
        caller.warn("Compare that with what its operator told you.")
        caller.confirm("Trust this vault from now on?", yes=False)
        return TrustedVault(identity, str(remember(caller, identity.vault_public_key)))
    raise _forbidden(
        "SR-CLI-116",
        "this vault could not be verified",
        why=f"no key is pinned for it, and there is nobody to ask; the fingerprint of its key is {shown}",
        fix=f"pin the key that its operator names: {PIN_IT}; or add --unverified if you believe this host",
    )


def _agree_to_foreign(caller: Caller, *, unverified: bool) -> None:
    """Return when the owner wants a vault that does not say who it is. Raises ``Failure``."""
    if unverified:
        caller.note("warning: this vault does not say who it is, so it could not be verified")
        return
    if _can_ask(caller):
        caller.warn("The vault of this host does not say who it is, so nothing tells whether it is a vault at all:")
        caller.warn("a host that lies can read what you give it.")
        caller.confirm("Use this vault all the same, this time?", yes=False)
        return
    raise _forbidden(
        "SR-CLI-129",
        "this vault cannot be verified",
        why="it knows no vault.identity.get, so it is not one of strongroom, or this host lies and reads what it gets",
        fix=f"use a host with a vault of strongroom and pin its key: {PIN_IT}; or add --unverified if you believe this"
        " host",
    )


def _can_ask(caller: Caller) -> bool:
    return sys.stdin.isatty() and not caller.no_input


def _forbidden(code: str, what: str, *, why: str, fix: str) -> Failure:
    return Failure(Forbidden(code, what, why=why, fix=fix), Exit.PERMISSION)
