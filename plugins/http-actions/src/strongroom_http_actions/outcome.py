"""What became of one call, and how it is kept: an answer or an error, and whether anything had left this host."""

from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.plugin import CapabilityError
from strongroom.plugin.error_text import format_error, parse_error
from strongroom.plugin.messages import capabilities_pb2, http_pb2

__all__ = ["Outcome", "Row", "row_of"]

_VERSION: Final = b"\x01"
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``response`` or ``error``. ``sent`` says whether the far side may have seen the request."""

    response: http_pb2.Response | None = field(default=None, repr=False)
    error: CapabilityError | None = None
    sent: bool = True

    def result(self) -> http_pb2.Response:
        """The response. Raises the error."""
        if self.response is None:
            raise self.error or CapabilityError("Private", "System", "Internal", "an outcome without content")
        return self.response

    def to_bytes(self) -> bytes:
        """As a capability response, which has a place for both."""
        message = capabilities_pb2.CapabilityResponse()
        if self.response is not None:
            message.payload.Pack(self.response)
        elif self.error is not None:
            message.error = format_error(self.error)
        return message.SerializeToString()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Outcome":
        """Back from ``to_bytes``. Raises ``DecodeError``."""
        message = capabilities_pb2.CapabilityResponse.FromString(data)
        if message.error:
            return cls(error=parse_error(message.error))
        response = http_pb2.Response()
        if not message.payload.Unpack(response):
            raise DecodeError
        return cls(response=response)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the store holds for one key: the digest of its request, and the outcome once there is one."""

    digest: bytes
    outcome: Outcome | None

    def to_bytes(self) -> bytes:
        """Version, digest, outcome; a row without an outcome is pending."""
        return _VERSION + self.digest + (self.outcome.to_bytes() if self.outcome else b"")


def row_of(data: bytes) -> Row | None:
    """A row, or ``None`` for what this version did not write."""
    digest, rest = data[1 : 1 + _DIGEST_BYTES], data[1 + _DIGEST_BYTES :]
    if data[:1] != _VERSION or len(digest) != _DIGEST_BYTES:
        return None
    try:
        return Row(digest=digest, outcome=Outcome.from_bytes(rest) if rest else None)
    except DecodeError:
        return None
