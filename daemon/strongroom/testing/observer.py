"""Consensus of one observer, as an enclave has it: what was observed is agreed upon.

Source: contracts, "confidential" section 13.
"""

from google.protobuf.message import DecodeError

from strongroom.errors import CapabilityError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.plugin.error_text import format_error

__all__ = ["CONSENSUS", "observe"]

CONSENSUS = ("consensus@1.0.0-alpha", "Simple")


def observe(request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
    """The observed value; for an observed error the default if there is one, else that error."""
    inputs = sdk_pb2.SimpleConsensusInputs()
    try:
        if not request.payload.Unpack(inputs):
            return _failed("InvalidArgument", f"{request.payload.type_url} is no SimpleConsensusInputs")
    except DecodeError:
        return _failed("InvalidArgument", "the request cannot be read")
    response = sdk_pb2.CapabilityResponse()
    if inputs.WhichOneof("observation") == "value":
        response.payload.Pack(inputs.value)
    elif inputs.HasField("default") and inputs.default.WhichOneof("value"):
        response.payload.Pack(inputs.default)
    else:
        return _failed("ConsensusFailed", inputs.error or "nothing was observed")
    return response


def _failed(name: str, text: str) -> sdk_pb2.CapabilityResponse:
    return sdk_pb2.CapabilityResponse(error=format_error(CapabilityError("Public", "User", name, text)))
