"""JSON web tokens (RFC 7519) with one algorithm and one pinned key, made deterministically and checked strictly.

Rule 1: EdDSA under the key that the caller pins; nothing in the header chooses either.
Rule 2: each key once, whole numbers only, and base64url in its one form: a token has no second look.
"""

import base64
import json
from typing import Any, Final, NoReturn

from strongroom.attest.codes import ALGORITHM, IDENTITY, SIGNATURE
from strongroom.attest.evidence import malformed
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["Json", "check_jwt", "make_jwt", "to_base64"]

_ALGORITHM: Final = "EdDSA"
_SHOWN: Final = 80
"""Characters of a foreign text that a refusal repeats."""


def make_jwt(claims: dict[str, Any], key: SigningKey) -> bytes:  # Any: whatever JSON can hold
    """The token, ASCII: keys sorted and no white space, so the same claims are the same bytes."""
    header = {"alg": _ALGORITHM, "kid": key_id(key.public).hex(), "typ": "JWT"}
    signed = f"{to_base64(_to_json(header))}.{to_base64(_to_json(claims))}".encode()
    return signed + b"." + to_base64(key.sign_raw(signed)).encode()


def check_jwt(check: str, untrusted: bytes, *, public: bytes) -> "Json":
    """The claims, signed by the raw Ed25519 key ``public``. Raises ``EvidenceRejected``."""
    parts = untrusted.split(b".")
    if len(parts) != 3:
        raise malformed(check, got=f"{len(parts)} parts", wanted="a JWT of three")
    header = _from_json(f"{check} header", parts[0])
    if header.get("alg") != _ALGORITHM:
        raise EvidenceRejected(ALGORITHM, f"{check} alg", got="another algorithm", wanted=_ALGORITHM)
    if header.keys() - {"alg", "kid", "typ"} or header.get("typ", "JWT") != "JWT":
        raise malformed(f"{check} header", got="other keys", wanted="alg, kid and typ, which is JWT")
    wanted = key_id(public).hex()
    if header.get("kid") != wanted:
        raise EvidenceRejected(IDENTITY, f"{check} kid", got=str(header.get("kid"))[:_SHOWN], wanted=wanted)
    signature = _from_base64(f"{check} signature", parts[2])
    if not _is_signed(public, signature, parts[0] + b"." + parts[1]):
        raise EvidenceRejected(SIGNATURE, f"{check} signature", got="another signature", wanted=f"one by {wanted}")
    return Json(check, _from_json(f"{check} claims", parts[1]))


def to_base64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Json:
    """An object of JSON whose values are asked for by type. Every method raises ``EvidenceRejected``."""

    __slots__ = ("_place", "found")

    def __init__(self, place: str, untrusted: object) -> None:
        """Take an object; ``place`` names it in refusals."""
        if not isinstance(untrusted, dict):
            raise malformed(place, got=type(untrusted).__name__, wanted="an object")
        self._place = place
        self.found: dict[str, Any] = untrusted  # Any: each value is looked at when it is asked for

    def _typed(self, key: str, kind: type, wanted: str) -> Any:  # Any: a value of that type
        found = self.found.get(key)
        if type(found) is not kind:
            raise malformed(f"{self._place} {key}", got=type(found).__name__, wanted=wanted)
        return found

    def text(self, key: str) -> str:
        """A text."""
        return str(self._typed(key, str, "a text"))

    def constant(self, key: str, wanted: str, code: str) -> None:
        """``wanted`` and nothing else; another text is refused with ``code``."""
        found = self.text(key)
        if found != wanted:
            raise EvidenceRejected(code, f"{self._place} {key}", got=found[:_SHOWN], wanted=wanted)

    def object(self, key: str) -> "Json":
        """An object."""
        return Json(f"{self._place} {key}", self._typed(key, dict, "an object"))

    def list(self, key: str, *, count_max: int) -> list[Any]:  # Any: see found
        """A list of at most ``count_max`` values."""
        found: list[Any] = self._typed(key, list, "a list")
        if len(found) > count_max:
            raise malformed(f"{self._place} {key}", got=f"{len(found)} entries", wanted=f"at most {count_max}")
        return found

    def number(self, key: str, *, end: int) -> int:
        """A whole number from 0, less than ``end``."""
        found: int = self._typed(key, int, "a whole number")
        if not 0 <= found < end:
            raise malformed(f"{self._place} {key}", got="a number out of range", wanted=f"0 to {end - 1}")
        return found

    def raw(self, key: str, size: int) -> bytes:
        """Exactly ``size`` bytes in base64url."""
        place = f"{self._place} {key}"
        found = _from_base64(place, self.text(key).encode(errors="replace"))
        if len(found) != size:
            raise malformed(place, got=f"{len(found)} bytes", wanted=f"{size} bytes")
        return found


def _is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    try:
        return PublicKey.of_ed25519(public).verify_ed25519(signature, data)
    except InvalidInput:
        return False


def _to_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _from_json(check: str, part: bytes) -> dict[str, Any]:  # Any: whatever JSON can hold
    raw = _from_base64(check, part)
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number)
    except (ValueError, RecursionError) as error:
        raise malformed(check, got="another text", wanted="JSON in UTF-8, each key once, whole numbers") from error
    if not isinstance(found, dict):
        raise malformed(check, got=type(found).__name__, wanted="an object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: see _from_json
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("not a whole number")


def _from_base64(check: str, text: bytes) -> bytes:
    """Base64url without padding, in its only form: other texts for the same bytes refuse."""
    try:
        found = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        found = b""
    if not found or to_base64(found).encode() != text:
        raise malformed(check, got="another text", wanted="base64url without padding")
    return found
