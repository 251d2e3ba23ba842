"""The one door to CBOR: strict decoding of what others wrote, and the deterministic form of what we write.

Rule 1: duplicate keys, trailing bytes, tags and nesting beyond a limit refuse, whoever wrote it.
Rule 2: our own structures are deterministic (RFC 8949 4.2.1) and hold neither floats nor undefined values: a decoder
encodes again and compares.
"""

from io import BytesIO
from typing import Any, Final, NoReturn

import cbor2

from strongroom.attest.evidence import malformed

__all__ = ["canonical", "decode", "decode_canonical"]

DEPTH_MAX: Final = 8


class _NoTags(dict[int, Any]):
    """The library gives many tags a meaning (dates, numbers, references); here every one is refused."""

    def get(self, _tag: object, _default: object = None) -> Any:  # Any: what the library takes for a decoder
        return _refused

    def __contains__(self, _tag: object) -> bool:
        return True

    def __missing__(self, _tag: int) -> Any:  # Any: see get
        return _refused


def _refused(*_arguments: object) -> NoReturn:
    raise ValueError("a tag")


def decode(check: str, untrusted: bytes, *, depth_max: int = DEPTH_MAX) -> Any:  # Any: whatever CBOR can hold
    """What ``untrusted`` holds, all of it. Maps, arrays and strings may be of indefinite length.

    Raises ``EvidenceRejected``.
    """
    return _decoded(check, untrusted, depth_max, allow_indefinite=True)


def decode_canonical(check: str, untrusted: bytes) -> Any:  # Any: see decode
    """What one of our own structures holds. Raises ``EvidenceRejected`` unless it is in the deterministic form."""
    value = _decoded(check, untrusted, DEPTH_MAX, allow_indefinite=False)
    if not _is_plain(value):
        raise malformed(check, got="a value of a type that is not used here", wanted="texts, bytes, whole numbers")
    if canonical(value) != untrusted:
        raise malformed(check, got="another encoding of the same value", wanted="deterministic CBOR")
    return value


def canonical(value: Any) -> bytes:  # Any: see decode
    """The deterministic encoding of ``value``: shortest forms, definite lengths, keys in the order of their bytes."""
    encoded: bytes = cbor2.dumps(value, canonical=True)
    return encoded


def _decoded(check: str, untrusted: bytes, depth_max: int, *, allow_indefinite: bool) -> Any:
    stream = BytesIO(untrusted)
    try:
        value = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NoTags(),
            max_depth=depth_max,
            allow_indefinite=allow_indefinite,
            allow_duplicate_keys=False,
            read_size=1,
        ).decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        wanted = "CBOR without tags, duplicate keys and deep nesting"
        raise malformed(check, got="bytes that are none", wanted=wanted) from error
    if stream.tell() != len(untrusted):
        raise malformed(check, got=f"{len(untrusted) - stream.tell()} bytes after the end", wanted="nothing there")
    return value


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        # By type: a truth value is a number in Python, and as a key it would stand for 0 or 1.
        return all(type(key) in {str, int} and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, str | bytes | int)
