"""The transport of ``vault serve``: who may call, how much, and what a host is told when it may not."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf import any_pb2
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from strongroom.plugin import Call, CapabilityError, Misconfigured
from strongroom.plugin.messages import capabilities_pb2, strongroom_vault_pb2
from strongroom_vault.remote import METHODS, RemoteVault
from strongroom_vault.service.files import load_credentials
from strongroom_vault.service.server import CALLS_MAX, VaultServer
from strongroom_vault.service.wire import CALL_BYTES_MAX, EXECUTE, SERVICE
from tests.fakes.host_certificates import HostAuthority

METHOD = "vault.secrets.list"


def echo(call):
    """Say who asked for what, as the host stamped it."""
    text = call.unpack(StringValue).value
    if text == "refuse":
        raise CapabilityError("Public", "User", "PermissionDenied", "SR-ATTEST-021: evidence refused at pcr0")
    if text == "crash":
        raise RuntimeError("s3cret-canary")
    if text == "huge":
        return BytesValue(value=bytes(CALL_BYTES_MAX + 1))
    return StringValue(value=f"{call.method} {call.metadata.workflow_owner} {text} {call.timeout_s <= 60}")


class Rig:
    """A CA, the vault's certificate, and a server that can be started again on the same port."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = HostAuthority(directory)
        self.own = self.authority.issue("vault.test")
        self.address = ""

    @contextmanager
    def serving(self, hosts=None, methods=None):
        credentials = load_credentials(self.own.certificate, self.own.key, self.authority.path, now=datetime.now(UTC))
        server = VaultServer(methods or {METHOD: echo}, credentials, hosts)
        port = server.start(self.address or "127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        try:
            yield
        finally:
            server.stop()

    def remote(self, host, **other):
        """A host's side."""
        files = {"ca_file": self.authority.path, "certificate_file": host.certificate, "key_file": host.key}
        section = {name: str(path) for name, path in {**files, **other}.items()}
        return RemoteVault({"address": self.address, **section})


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def ask(remote, text="hello", timeout_s=20.0, method=METHOD):
    payload = any_pb2.Any()
    payload.Pack(StringValue(value=text))
    metadata = capabilities_pb2.RequestMetadata(workflow_owner="ab" * 20)
    call = Call(metadata=metadata, payload=payload, method=method, timeout_s=timeout_s)
    answer = StringValue()
    remote.methods()[method](call).Unpack(answer)
    return answer.value


def refused(remote, **more):
    with pytest.raises(CapabilityError) as caught:
        ask(remote, **more)
    return caught.value


def test_a_host_of_the_ca_reaches_the_methods_with_what_it_stamped(rig):
    with rig.serving():
        assert ask(rig.remote(rig.authority.issue("host"))) == f"{METHOD} {'ab' * 20} hello True"


def test_what_the_vault_refuses_arrives_as_it_was_said(rig):
    with rig.serving():
        error = refused(rig.remote(rig.authority.issue("host")), text="refuse")
    assert (error.visibility, error.origin, error.name) == ("Public", "User", "PermissionDenied")
    assert error.message == "SR-ATTEST-021: evidence refused at pcr0"


def test_a_fault_of_the_vault_is_logged_by_place_and_never_by_value(rig, caplog):
    with rig.serving():
        error = refused(rig.remote(rig.authority.issue("host")), text="crash")
    assert (error.visibility, error.name) == ("Private", "Unknown")
    assert "test_service_transport.py" in caplog.text
    assert "s3cret-canary" not in caplog.text


def test_a_method_that_the_vault_does_not_have_is_said_to_be_missing(rig):
    with rig.serving():
        assert refused(rig.remote(rig.authority.issue("host")), method="vault.identity.get").name == "Unimplemented"


def test_a_host_of_another_ca_does_not_get_through(rig, tmp_path):
    other = HostAuthority(tmp_path, "strangers")
    with rig.serving():
        error = refused(rig.remote(other.issue("stranger")))
        assert (error.origin, error.name) == ("System", "Unavailable")
        assert f"the vault at {rig.address}" in error.message
        assert "signed by its client_ca_file" in error.message
        assert ask(rig.remote(rig.authority.issue("host")))


def test_a_vault_of_another_ca_is_not_believed(rig, tmp_path):
    other = HostAuthority(tmp_path, "strangers")
    with rig.serving():
        error = refused(rig.remote(rig.authority.issue("host"), ca_file=other.path))
    assert error.name == "Unavailable"


def test_a_listed_host_is_served_and_one_that_is_not_is_told_its_fingerprint(rig):
    listed, other = rig.authority.issue("listed"), rig.authority.issue("other")
    with rig.serving(hosts=frozenset({listed.fingerprint})):
        assert ask(rig.remote(listed))
        error = refused(rig.remote(other))
    assert (error.origin, error.name) == ("System", "Unavailable")
    assert "SR-VAULT-043" in error.message
    assert f"fingerprint {other.fingerprint} is not in tls.hosts" in error.message


def test_a_certificate_that_ended_is_refused_where_it_lies_and_by_the_vault(rig):
    expired = rig.authority.issue("expired", days=-1)
    with rig.serving():
        with pytest.raises(Misconfigured, match=r"expired\.pem cannot be used: its certificate is good from"):
            rig.remote(expired)
        # A host that does not look itself.
        code, _ = raw(rig, expired, timeout=20)
        assert code is grpc.StatusCode.UNAVAILABLE


def raw(rig, host, *, timeout, text="hello"):
    """The status of a call that is made without our own side."""
    payload = any_pb2.Any()
    payload.Pack(StringValue(value=text))
    call = capabilities_pb2.CapabilityRequest(payload=payload, method=METHOD)
    credentials = grpc.ssl_channel_credentials(
        rig.authority.path.read_bytes(), host.key.read_bytes(), host.certificate.read_bytes()
    )
    with grpc.secure_channel(rig.address, credentials) as channel:
        execute = channel.unary_unary(
            f"/{SERVICE}/{EXECUTE}",
            strongroom_vault_pb2.VaultServiceExecuteRequest.SerializeToString,
            strongroom_vault_pb2.VaultServiceExecuteResponse.FromString,
        )
        with pytest.raises(grpc.RpcError) as caught:
            execute(strongroom_vault_pb2.VaultServiceExecuteRequest(call=call), timeout=timeout)
    return caught.value.code(), caught.value.details()


def test_a_caller_without_a_certificate_does_not_get_through(rig):
    with rig.serving():
        credentials = grpc.ssl_channel_credentials(rig.authority.path.read_bytes())
        with grpc.secure_channel(rig.address, credentials) as channel:
            execute = channel.unary_unary(f"/{SERVICE}/{EXECUTE}")
            with pytest.raises(grpc.RpcError) as caught:
                execute(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_call_without_a_deadline_is_refused(rig):
    with rig.serving():
        code, details = raw(rig, rig.authority.issue("host"), timeout=None)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details == "SR-VAULT-044: the call has no deadline: give it one"


def test_a_call_that_is_too_large_is_refused_on_both_sides_with_the_limit(rig):
    host = rig.authority.issue("host")
    with rig.serving():
        error = refused(rig.remote(host), text="x" * CALL_BYTES_MAX)
        assert (error.origin, error.name) == ("User", "LimitExceeded")
        assert f"a vault takes {CALL_BYTES_MAX}" in error.message
        code, details = raw(rig, host, timeout=20, text="x" * CALL_BYTES_MAX)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert f"{CALL_BYTES_MAX} is the limit" in details
        code, _ = raw(rig, host, timeout=20, text="x" * (2 * CALL_BYTES_MAX))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_answer_that_is_too_large_is_an_error_that_names_the_limit(rig):
    with rig.serving():
        error = refused(rig.remote(rig.authority.issue("host")), text="huge")
    assert error.name == "LimitExceeded"
    assert f"{CALL_BYTES_MAX} is the limit" in error.message


def test_a_vault_that_is_down_is_unavailable_and_one_that_is_back_is_found_again(rig):
    host = rig.authority.issue("host")
    with rig.serving():
        remote = rig.remote(host)
        assert ask(remote)
    error = refused(remote)
    assert (error.origin, error.name) == ("System", "Unavailable")
    assert "see that `strongroom vault serve` runs there" in error.message
    with rig.serving():
        grpc.channel_ready_future(remote._channel).result(timeout=20)
        assert ask(remote)


def test_a_vault_that_gives_no_answer_is_not_waited_for_beyond_the_time_of_the_call(rig):
    gone_on = threading.Event()
    with rig.serving(methods={METHOD: lambda _call: StringValue(value=str(gone_on.wait(20)))}):
        error = refused(rig.remote(rig.authority.issue("host")), timeout_s=0.3)
        gone_on.set()
    assert (error.origin, error.name) == ("System", "DeadlineExceeded")


def test_a_host_that_stops_says_so(rig):
    with rig.serving():
        remote = rig.remote(rig.authority.issue("host"))
        remote.close()
        assert "this host is stopping" in refused(remote).message


def test_a_port_that_is_taken_stops_the_start(rig):
    with rig.serving(), pytest.raises(Misconfigured, match="cannot listen at") as caught, rig.serving():
        pass
    assert caught.value.code == "SR-VAULT-042"


def test_every_method_is_passed_on(rig):
    with rig.serving():
        assert tuple(rig.remote(rig.authority.issue("host")).methods()) == METHODS


def test_more_calls_than_are_taken_at_once_are_refused_and_the_others_answered(rig):
    gone_on, ended = threading.Event(), queue.SimpleQueue()
    host = rig.authority.issue("host")
    payload = any_pb2.Any()
    payload.Pack(StringValue(value="hello"))
    call = capabilities_pb2.CapabilityRequest(payload=payload, method=METHOD)
    request = strongroom_vault_pb2.VaultServiceExecuteRequest(call=call).SerializeToString()
    credentials = grpc.ssl_channel_credentials(
        rig.authority.path.read_bytes(), host.key.read_bytes(), host.certificate.read_bytes()
    )
    with (
        rig.serving(methods={METHOD: lambda _call: StringValue(value=str(gone_on.wait(20)))}),
        grpc.secure_channel(rig.address, credentials) as channel,
    ):
        execute = channel.unary_unary(f"/{SERVICE}/{EXECUTE}")
        for _ in range(CALLS_MAX + 1):
            execute.future(request, timeout=20).add_done_callback(ended.put)
        assert ended.get(timeout=20).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        gone_on.set()
        codes = [ended.get(timeout=20).code() for _ in range(CALLS_MAX)]
    assert codes == [grpc.StatusCode.OK] * CALLS_MAX


def test_what_answers_at_the_address_and_is_no_vault_is_said_to_be_none(rig):
    own, host = rig.own, rig.authority.issue("host")
    server = grpc.server(ThreadPoolExecutor(1))
    pair = (own.key.read_bytes(), own.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    rig.address = f"127.0.0.1:{port}"
    try:
        assert "something else answers there" in refused(rig.remote(host)).message
    finally:
        server.stop(None).wait()
