"""What capabilities of the standard tests answer, as functions that an author would write."""

from google.protobuf.message import Message

from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.testing import sdk_pb

__all__ = ["ACTION", "CODES", "CONSENSUS", "EVENT", "NODE_ACTION", "SUBSCRIBE", "adapted", "answer", "event", "node"]
__all__ += ["input_of", "observe"]

ACTION = "basic-test-action@1.0.0"
NODE_ACTION = "basic-test-node-action@1.0.0"
CONSENSUS = "consensus@1.0.0-alpha"
CODES = [
    name
    for line in (
        "Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted",
        "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated",
        "ConsensusFailed LimitExceeded InsufficientObservations",
    )
    for name in line.split()
]


def answer(message: Message) -> sdk_pb.CapabilityResponse:
    """``message`` as the payload of a response."""
    response = sdk_pb.CapabilityResponse()
    response.payload.Pack(message)
    return response


def event(payload: Message, *, index: int = 0, config: bytes = b"config") -> sdk_pb.ExecuteRequest:
    """The request of one trigger event."""
    request = sdk_pb.ExecuteRequest(config=config, trigger=sdk_pb.Trigger(id=index))
    request.trigger.payload.Pack(payload)
    return request


SUBSCRIBE = sdk_pb.ExecuteRequest(subscribe={}, config=b"config")
EVENT = event(basic_trigger_pb2.Outputs(cool_output="test value"))


def adapted(thing: str) -> sdk_pb.CapabilityResponse:
    """What the basic action answers."""
    return answer(basic_action_pb2.Outputs(adapted_thing=thing))


def node(number: int) -> sdk_pb.CapabilityResponse:
    """What the node action answers."""
    return answer(node_action_pb2.NodeOutputs(output_thing=number))


def input_of(request: sdk_pb.CapabilityRequest) -> bool:
    """What the basic action was asked."""
    inputs = basic_action_pb2.Inputs()
    assert request.payload.Unpack(inputs)
    return inputs.input_thing


def observe(request: sdk_pb.CapabilityRequest) -> sdk_pb.CapabilityResponse:
    """Consensus of one observer: the observed value, or an error with the observed text."""
    inputs = sdk_pb.SimpleConsensusInputs()
    assert request.payload.Unpack(inputs)
    if inputs.WhichOneof("observation") == "value":
        return answer(inputs.value)
    return sdk_pb.CapabilityResponse(error=f"Public:User:ConsensusFailed:{inputs.error}")
