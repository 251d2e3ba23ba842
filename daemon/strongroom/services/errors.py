"""Every error of the tree as a gRPC status with details: the one place where that is decided.

Details never hold payload bytes or secret values, because errors never do.
"""

from collections.abc import Callable
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from strongroom import errors

__all__ = ["DOMAIN", "code_of", "status_of"]

DOMAIN: Final = "strongroom"

CODES: Final[tuple[tuple[type[errors.StrongroomError], grpc.StatusCode], ...]] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.Conflict, grpc.StatusCode.ALREADY_EXISTS),
    (errors.WrongState, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (errors.LimitExceeded, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Refused, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Tampered, grpc.StatusCode.DATA_LOSS),
    (errors.Truncated, grpc.StatusCode.DATA_LOSS),
    (errors.RuntimeDecryptionError, grpc.StatusCode.DATA_LOSS),
    (errors.KeyMissing, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.SealBudgetExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Misconfigured, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.StorageFault, grpc.StatusCode.UNAVAILABLE),
    (errors.Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.PluginFault, grpc.StatusCode.UNAVAILABLE),
    (errors.GuestFault, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.TimedOut, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Cancelled, grpc.StatusCode.CANCELLED),
    (errors.StrongroomError, grpc.StatusCode.INTERNAL),
)

CAPABILITY_CODES: Final = {
    "Canceled": grpc.StatusCode.CANCELLED,
    "InvalidArgument": grpc.StatusCode.INVALID_ARGUMENT,
    "DeadlineExceeded": grpc.StatusCode.DEADLINE_EXCEEDED,
    "NotFound": grpc.StatusCode.NOT_FOUND,
    "AlreadyExists": grpc.StatusCode.ALREADY_EXISTS,
    "PermissionDenied": grpc.StatusCode.PERMISSION_DENIED,
    "ResourceExhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "FailedPrecondition": grpc.StatusCode.FAILED_PRECONDITION,
    "Aborted": grpc.StatusCode.ABORTED,
    "OutOfRange": grpc.StatusCode.OUT_OF_RANGE,
    "Unimplemented": grpc.StatusCode.UNIMPLEMENTED,
    "Unavailable": grpc.StatusCode.UNAVAILABLE,
    "DataLoss": grpc.StatusCode.DATA_LOSS,
    "Unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "LimitExceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def code_of(error: errors.StrongroomError) -> grpc.StatusCode:
    """The canonical code of ``error``; a capability's own code word decides for its errors."""
    if isinstance(error, errors.CapabilityError):
        return CAPABILITY_CODES.get(error.name, grpc.StatusCode.UNKNOWN)
    return next(code for kind, code in CODES if isinstance(error, kind))


def status_of(error: errors.StrongroomError, hidden: Callable[[str], str] = str) -> grpc.Status:
    """``error`` as a status: code, text, and ``ErrorInfo`` plus the details that fit its kind.

    ``hidden`` is what every text of it goes through.
    """
    metadata = {key: hidden(str(value)) for key, value in error.details.items()}
    if error.why:
        metadata["why"] = hidden(error.why)
    if error.fix:
        metadata["fix"] = hidden(error.fix)
    text = hidden(str(error))
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, errors.InvalidInput) and "field" in error.details:
        violation = error_details_pb2.BadRequest.FieldViolation(field=metadata["field"], description=text)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, errors.LimitExceeded | errors.Exhausted):
        quota = error_details_pb2.QuotaFailure.Violation(subject=metadata.get("setting", ""), description=text)
        details.append(error_details_pb2.QuotaFailure(violations=[quota]))
    if isinstance(error, errors.WrongState | errors.KeyMissing):
        condition = error_details_pb2.PreconditionFailure.Violation(type=error.code, description=text)
        details.append(error_details_pb2.PreconditionFailure(violations=[condition]))
    if "retry_ms" in error.details:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.details["retry_ms"]))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code_of(error).value[0], message=text, details=[_packed(d) for d in details])
    return rpc_status.to_status(status)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
