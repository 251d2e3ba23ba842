"""Keys on secp256k1 by their Ethereum addresses, and the address behind a signature.

A signature lets everybody compute the one key that made it, so a list of addresses is enough to check signatures.
"""

import re
from typing import Final

from coincurve import PublicKey

from strongroom.plugin import CapabilityError, keccak256
from strongroom.plugin.messages import http_pb2
from strongroom_http_trigger.limits import KEYS_MAX

__all__ = ["address_of", "authorized", "signers"]

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}|[0-9a-fA-F]{40}")
_PUBLIC_KEY: Final = re.compile(r"(?:0x)?(0[23][0-9a-fA-F]{64}|04[0-9a-fA-F]{128})")
COMPACT_BYTES: Final = 64
RECOVERABLE_BYTES: Final = 65
# Ethereum counts from 27 where the library counts from 0.
ETHEREUM_OFFSET: Final = 27


def address_of(key: PublicKey) -> str:
    """40 lower-case hex digits: the last 20 bytes of the hash of the point."""
    return keccak256(key.format(compressed=False)[1:])[-20:].hex()


def authorized(config: http_pb2.Config) -> dict[str, http_pb2.AuthorizedKey]:
    """The keys of a subscription by address. Raises ``CapabilityError`` (User)."""
    count = len(config.authorized_keys)
    if not count:
        raise _refused("InvalidArgument", "authorized_keys is empty, and nobody could ever start this workflow")
    if count > KEYS_MAX:
        raise _refused("LimitExceeded", f"authorized_keys: {count} keys, the limit is {KEYS_MAX}")
    return {_address(position, key): key for position, key in enumerate(config.authorized_keys)}


def _address(position: int, key: http_pb2.AuthorizedKey) -> str:
    where = f"authorized_keys[{position}]"
    if key.type != http_pb2.KEY_TYPE_ECDSA_EVM:
        raise _refused("InvalidArgument", f"{where}.type must be KEY_TYPE_ECDSA_EVM")
    text = key.public_key.strip()
    if _ADDRESS.fullmatch(text):
        digits = text[-40:]
        if digits not in (digits.lower(), digits.upper(), _checksummed(digits.lower())):
            raise _refused("InvalidArgument", f"{where}.public_key: its letters do not match its EIP-55 checksum")
        return digits.lower()
    match = _PUBLIC_KEY.fullmatch(text)
    if match is None:
        raise _refused(
            "InvalidArgument", f"{where}.public_key must be an address (0x and 40 hex digits) or a public key"
        )
    try:
        return address_of(PublicKey(bytes.fromhex(match[1])))
    except ValueError:
        raise _refused("InvalidArgument", f"{where}.public_key is not a point of secp256k1") from None


def _checksummed(digits: str) -> str:
    """EIP-55: a letter is upper case where the hash of the address has 8 or more."""
    marks = keccak256(digits.encode()).hex()
    return "".join(d.upper() if int(mark, 16) >= 8 else d for d, mark in zip(digits, marks, strict=False))


def signers(signature: bytes, digest: bytes) -> frozenset[str]:
    """Addresses of the keys that can have made ``signature`` over ``digest``: one if it says which, else up to two."""
    if len(signature) == RECOVERABLE_BYTES:
        mark = signature[-1]
        marks = [mark - ETHEREUM_OFFSET if mark >= ETHEREUM_OFFSET else mark]
    elif len(signature) == COMPACT_BYTES:
        marks = [0, 1]
    else:
        return frozenset()
    found = set()
    for mark in marks:
        try:
            recoverable = signature[:COMPACT_BYTES] + bytes([mark])
            found.add(address_of(PublicKey.from_signature_and_message(recoverable, digest, hasher=None)))
        except ValueError:
            continue
    return frozenset(found)


def _refused(name: str, message: str) -> CapabilityError:
    return CapabilityError("Public", "User", name, message)
