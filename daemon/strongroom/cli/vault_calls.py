"""Calls of the vault through the host: its methods, its own words for what is wrong, and what it lacks."""

from typing import Final, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from strongroom.cli.channel import Host
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, unavailable
from strongroom.pb.strongroom.v1 import capability_pb2, status_pb2
from strongroom.pb.strongroom.v1.capability_pb2_grpc import CapabilityServiceStub
from strongroom.pb.strongroom.v1.status_pb2_grpc import StatusServiceStub

__all__ = ["LacksMethod", "call_vault", "full_owner"]

VAULT: Final = "vault@1.0.0"
NO_CAPABILITY: Final = "SR-CAP-007"
CAPABILITY_FAILED: Final = "SR-CAP-001"
Response = TypeVar("Response", bound=Message)


class LacksMethod(Failure):
    """The vault is not ours, or older: it does not know the method."""


def call_vault(host: Host, owner: str, method: str, message: Message, kind: type[Response]) -> Response:
    """The answer of the vault. Raises ``Failure``, or ``LacksMethod`` for a method that it does not have."""
    packed = AnyMessage()
    packed.Pack(message)
    request = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id=VAULT, method=method, message=packed, owner=owner
    )
    try:
        answer = host.call(host.stub(CapabilityServiceStub).Execute, request)
    except Failure as failure:
        if failure.error.code == CAPABILITY_FAILED and failure.details.get("name") == "Unimplemented":
            raise LacksMethod(failure.error, Exit.UNAVAILABLE, details=failure.details) from failure
        if failure.error.code != NO_CAPABILITY:
            raise
        raise unavailable(
            "SR-CLI-039",
            "this host has no vault",
            why=f"no plugin of it offers {VAULT}",
            fix="enable the plugin vault in its manifest (strongroom plugin enable vault --file FILE) and restart it",
        ) from None
    response = kind()
    try:
        fits = answer.message.Unpack(response)
    except DecodeError:
        fits = False
    if not fits:
        raise unavailable(
            "SR-CLI-035",
            f"{VAULT} gave an answer that is not one",
            why=answer.message.type_url,
            fix="the plugin that offers it is no vault: `strongroom capability list` names it",
        )
    return response


def full_owner(host: Host, owner: str) -> str:
    """``owner``, or the one of the host when none was named, as 40 lower-case hex digits. Raises ``Failure``."""
    from strongroom.guest.ids import normal_owner

    return normal_owner(
        owner or host.call(host.stub(StatusServiceStub).Get, status_pb2.StatusServiceGetRequest()).owner
    )
