"""The token of a request: a JSON Web Token that names the digest of the body, and that expires.

Two algorithms are taken. ``ETH`` is what clients of the network's gateways make: the signing input as an Ethereum
message (EIP-191), hashed with Keccak-256, signed with 65 bytes r, s, v. ``ES256K`` is that of RFC 8812. Whatever is
wrong here depends on the token alone, so it may be told to everybody.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.plugin import keccak256
from strongroom_http_trigger.keys import COMPACT_BYTES, RECOVERABLE_BYTES, signers
from strongroom_http_trigger.limits import CLOCK_SKEW_S, TOKEN_CHARS_MAX, TOKEN_LIFE_S_MAX
from strongroom_http_trigger.refusal import unauthenticated

__all__ = ["Claims", "claims_of"]

SIGNATURE_BYTES: Final = {"ETH": RECOVERABLE_BYTES, "ES256K": COMPACT_BYTES}
JTI_CHARS_MAX: Final = 128
_BEARER: Final = re.compile(r"[Bb]earer +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_DIGEST: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says that is consistent in itself. ``signers`` are addresses; who may sign is asked elsewhere."""

    signers: frozenset[str]
    jti: str
    expires_s: int


def claims_of(untrusted_authorization: str, *, digests: frozenset[str], now_s: float) -> Claims:
    """The claims of ``Authorization: Bearer …``. ``now_s`` is Unix time. Raises ``Refusal``."""
    if len(untrusted_authorization) > TOKEN_CHARS_MAX:
        raise unauthenticated(f"{len(untrusted_authorization)} characters, the limit is {TOKEN_CHARS_MAX}")
    match = _BEARER.fullmatch(untrusted_authorization.strip())
    if match is None:
        raise unauthenticated("send the field Authorization: Bearer and a JSON Web Token")
    header, claims = _part(match[1]), _part(match[2])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in SIGNATURE_BYTES:
        raise unauthenticated("its header must say alg ETH or ES256K")
    if header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise unauthenticated("its header must say typ JWT, and nothing critical beyond that")
    expires_s = _check_times(claims, now_s)
    digest = _DIGEST.fullmatch(claims["digest"]) if isinstance(claims.get("digest"), str) else None
    if digest is None or digest[1].lower() not in digests:
        raise unauthenticated("its digest is not the SHA-256 of this body")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= JTI_CHARS_MAX:
        raise unauthenticated(f"jti must be a text of 1 to {JTI_CHARS_MAX} characters")
    signature = _decoded(match[3])
    if len(signature) != SIGNATURE_BYTES[algorithm]:
        raise unauthenticated(f"a signature of {algorithm} has {SIGNATURE_BYTES[algorithm]} bytes")
    found = signers(signature, _signed_digest(algorithm, f"{match[1]}.{match[2]}".encode()))
    issuer = claims.get("iss")
    if issuer is not None:
        if not isinstance(issuer, str) or issuer.lower().removeprefix("0x") not in found:
            raise unauthenticated("it is not signed by the address in iss")
        found = frozenset({issuer.lower().removeprefix("0x")})
    if not found:
        raise unauthenticated("its signature is not one of secp256k1")
    return Claims(signers=found, jti=jti, expires_s=expires_s)


def _check_times(claims: Mapping[str, Any], now_s: float) -> int:
    """When it expires. Any: claims are JSON."""
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise unauthenticated("iat and exp must be whole numbers, in seconds of Unix time")
    if not 0 < expires - issued <= TOKEN_LIFE_S_MAX:
        raise unauthenticated(f"it must expire at most {TOKEN_LIFE_S_MAX} s after it was made")
    if now_s >= expires:
        raise unauthenticated("it has expired")
    if issued > now_s + CLOCK_SKEW_S:
        raise unauthenticated("it was made in the future: check the clock")
    return expires


def _signed_digest(algorithm: str, signing_input: bytes) -> bytes:
    if algorithm == "ETH":
        return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(signing_input) + signing_input)
    return hashlib.sha256(signing_input).digest()


def _part(text: str) -> Mapping[str, Any]:
    """A part of a token. Any: it is JSON."""
    try:
        value = json.loads(_decoded(text))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise unauthenticated("its header and claims must be JSON objects")
    return value


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise unauthenticated("its parts must be base64url without padding") from None
