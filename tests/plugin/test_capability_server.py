"""One capability over a real socket: the token, the streams of a trigger, and what breaks on the way."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2, wrappers_pb2

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2, capabilities_pb2_grpc
from strongroom.plugin import Capability
from strongroom.plugin.capability import TriggerMethod
from strongroom.plugin.dispatch import TriggerBook, invoke
from strongroom.plugin.info import capability_info
from strongroom.plugin.serve.client import RemoteExecutable, RemoteTrigger, new_channel
from strongroom.plugin.serve.server import capability_handlers, new_server
from strongroom.plugin.serve.token import TokenCheck, token_metadata
from tests.fakes.memory_host import WAIT_S, Eventually, request

TOKEN = "ab" * 32


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sr-") as path:
        yield Path(path)


@contextmanager
def serving(directory: Path, capability: Capability, *, token: str = "") -> Iterator[grpc.Channel]:
    check = TokenCheck(token, lambda: True) if token else None
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(16))
        server = new_server(pool, str(directory / "s"), None)
        book = TriggerBook(capability) if capability.triggers else None

        def execute(message: capabilities_pb2.CapabilityRequest, left_s: float):
            return invoke(capability, message, timeout_s=left_s)

        server.add_generic_rpc_handlers(capability_handlers(capability_info(capability), execute, book, check))
        server.start()
        stack.callback(lambda: server.stop(None).wait(WAIT_S))
        channel = new_channel(f"unix:{directory / 's'}")
        stack.callback(channel.close)
        yield channel


ECHO = Capability(
    id="echo@1.0.0",
    methods={"echo": lambda call: call.unpack(wrappers_pb2.StringValue)},
    triggers={"": TriggerMethod(register=lambda _registration, _events: lambda: None)},
)
HELLO = request("echo", wrappers_pb2.StringValue(value="hello"))


@pytest.mark.parametrize("plain", [True, False], ids=["read as one answer", "read as a stream"])
def test_a_stream_of_one_message_and_one_answer_are_the_same_on_the_wire(directory, plain):
    with serving(directory, ECHO) as channel:
        response = RemoteExecutable(channel, (), plain=plain).execute(HELLO, timeout_s=WAIT_S)
        assert response.payload == HELLO.payload


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        (token_metadata(TOKEN), True),
        (token_metadata("cd" * 32), False),
        (token_metadata(TOKEN[:-1]), False),
        ((), False),
    ],
    ids=["the token", "another token", "a piece of it", "none"],
)
def test_only_who_has_the_token_gets_through(directory, metadata, allowed):
    with serving(directory, ECHO, token=TOKEN) as channel:
        if allowed:
            RemoteExecutable(channel, metadata, plain=True).execute(HELLO, timeout_s=WAIT_S)
            return
        with pytest.raises(CapabilityError, match="does not carry this plugin's token"):
            RemoteExecutable(channel, metadata, plain=True).execute(HELLO, timeout_s=WAIT_S)
        with pytest.raises(CapabilityError, match="does not carry this plugin's token"):
            RemoteTrigger(channel, metadata).register(
                capabilities_pb2.TriggerRegistrationRequest(), Eventually(), timeout_s=WAIT_S
            )


@pytest.mark.parametrize("plain", [True, False], ids=["read as one answer", "read as a stream"])
def test_a_closed_channel_is_unavailable(directory, plain):
    with serving(directory, ECHO) as channel:
        executable = RemoteExecutable(channel, (), plain=plain)
        channel.close()
        with pytest.raises(CapabilityError, match="error executing capability request") as caught:
            executable.execute(HELLO, timeout_s=WAIT_S)
        assert caught.value.name == "Unavailable"


def test_nobody_there_is_unavailable(directory):
    executable = RemoteExecutable(new_channel(f"unix:{directory / 'nobody'}"), (), plain=True)
    with pytest.raises(CapabilityError) as caught:
        executable.execute(HELLO, timeout_s=WAIT_S)
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "System", "Unavailable")


class OddStreams(capabilities_pb2_grpc.ExecutableServicer, capabilities_pb2_grpc.TriggerExecutableServicer):
    """Answers with as many messages as the method's name says."""

    def Execute(self, request, context):
        for _ in range(int(request.method)):
            yield capabilities_pb2.CapabilityResponse(payload=request.payload)

    def RegisterTrigger(self, request, context):
        if request.method == "response first":
            response = capabilities_pb2.TriggerResponse(error="Public:User:NotFound:no such thing")
            yield capabilities_pb2.TriggerResponseMessage(response=response)
        if request.method == "silent":
            context.add_callback(self.gone.set)
            self.gone.wait(WAIT_S)

    RegisterToWorkflow = UnregisterFromWorkflow = UnregisterTrigger = AckEvent = lambda *_: empty_pb2.Empty()


@pytest.fixture
def odd(directory) -> Iterator[grpc.Channel]:
    import threading

    with ThreadPoolExecutor(16) as pool:
        server, servicer = new_server(pool, str(directory / "s"), None), OddStreams()
        servicer.gone = threading.Event()
        capabilities_pb2_grpc.add_ExecutableServicer_to_server(servicer, server)
        capabilities_pb2_grpc.add_TriggerExecutableServicer_to_server(servicer, server)
        server.start()
        channel = new_channel(f"unix:{directory / 's'}")
        yield channel
        channel.close()
        server.stop(None).wait(WAIT_S)


@pytest.mark.parametrize("count", ["1", "2"])
def test_one_message_is_read_and_the_rest_is_dropped(odd, count):
    response = RemoteExecutable(odd, (), plain=False).execute(
        request(count, wrappers_pb2.StringValue(value="x")), timeout_s=WAIT_S
    )
    assert response.HasField("payload")


def test_a_stream_without_a_message_is_unavailable(odd):
    with pytest.raises(CapabilityError, match="error waiting for response message") as caught:
        RemoteExecutable(odd, (), plain=False).execute(request("0", wrappers_pb2.StringValue()), timeout_s=WAIT_S)
    assert caught.value.name == "Unavailable"


@pytest.mark.parametrize(
    ("method", "reason", "name"),
    [
        ("response first", "no such thing", "NotFound"),
        ("nothing", "failed to receive registering trigger ack message: the plugin ended the stream", "Unavailable"),
        ("silent", "failed to receive registering trigger ack message: nothing came within", "DeadlineExceeded"),
    ],
    ids=["error instead of ack", "ends before ack", "never acks"],
)
def test_a_registration_without_an_ack_fails(odd, method, reason, name):
    with pytest.raises(CapabilityError, match=reason) as caught:
        RemoteTrigger(odd, ()).register(
            capabilities_pb2.TriggerRegistrationRequest(triggerId="t", method=method),
            Eventually(),
            timeout_s=0.5 if method == "silent" else WAIT_S,
        )
    assert caught.value.name == name


def test_the_end_of_a_stream_unregisters_on_the_far_side(directory):
    stopped = Eventually()
    trigger = TriggerMethod(register=lambda registration, events: lambda: stopped.degraded(registration.trigger_id))
    with serving(directory, Capability(id="t@1.0.0", triggers={"": trigger})) as channel:
        RemoteTrigger(channel, ()).register(
            capabilities_pb2.TriggerRegistrationRequest(triggerId="t"), Eventually(), timeout_s=WAIT_S
        )
        channel.close()
        stopped.wait(lambda s: s.notes == ["degraded: t"])
