"""JSON web tokens (RFC 7519) with one algorithm and one pinned key, made deterministically and checked strictly.

Rule 1: EdDSA under the key that the caller pins; nothing in the header chooses either.
Rule 2: each key once, whole numbers only, and base64url in its one form: a token has no second look.
"""

import json
from typing import Any, Final

from strongroom.attest.codes import ALGORITHM, IDENTITY, SIGNATURE
from strongroom.attest.evidence import malformed
from strongroom.attest.json_values import Json, from_base64, parse_json, to_base64
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["check_jwt", "make_jwt"]

_ALGORITHM: Final = "EdDSA"
_SHOWN: Final = 80
"""Characters of a foreign text that a refusal repeats."""


def make_jwt(claims: dict[str, Any], key: SigningKey) -> bytes:  # Any: whatever JSON can hold
    """The token, ASCII: keys sorted and no white space, so the same claims are the same bytes."""
    header = {"alg": _ALGORITHM, "kid": key_id(key.public).hex(), "typ": "JWT"}
    signed = f"{to_base64(_to_json(header))}.{to_base64(_to_json(claims))}".encode()
    return signed + b"." + to_base64(key.sign_raw(signed)).encode()


def check_jwt(check: str, untrusted: bytes, *, public: bytes) -> Json:
    """The claims, signed by the raw Ed25519 key ``public``. Raises ``EvidenceRejected``."""
    parts = untrusted.split(b".")
    if len(parts) != 3:
        raise malformed(check, got=f"{len(parts)} parts", wanted="a JWT of three")
    header = _part(f"{check} header", parts[0]).found
    if header.get("alg") != _ALGORITHM:
        raise EvidenceRejected(ALGORITHM, f"{check} alg", got="another algorithm", wanted=_ALGORITHM)
    if header.keys() - {"alg", "kid", "typ"} or header.get("typ", "JWT") != "JWT":
        raise malformed(f"{check} header", got="other keys", wanted="alg, kid and typ, which is JWT")
    wanted = key_id(public).hex()
    if header.get("kid") != wanted:
        raise EvidenceRejected(IDENTITY, f"{check} kid", got=str(header.get("kid"))[:_SHOWN], wanted=wanted)
    signature = from_base64(f"{check} signature", parts[2])
    if not _is_signed(public, signature, parts[0] + b"." + parts[1]):
        raise EvidenceRejected(SIGNATURE, f"{check} signature", got="another signature", wanted=f"one by {wanted}")
    return _part(check, parts[1])


def _part(check: str, part: bytes) -> Json:
    return parse_json(check, from_base64(check, part))


def _is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    try:
        return PublicKey.of_ed25519(public).verify_ed25519(signature, data)
    except InvalidInput:
        return False


def _to_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
