"""The prebuilt samples: they are what their sources say, and they do what their pages say."""

import shlex
import shutil

import pytest

from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2
from tests.guests.bare import run_bare
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, any_of, trigger
from tools.build_guests import COMMITTED, GUESTS, ROOT, build, compile_c

SUBSCRIBE = sdk_pb2.ExecuteRequest(subscribe={})


def posted(text: str, config: bytes = b"") -> sdk_pb2.ExecuteRequest:
    return trigger(http_pb2.Payload(input=text.encode()), config=config)


def strings(result: sdk_pb2.ExecutionResult | None) -> dict[str, str]:
    assert result is not None
    return {key: value.string_value for key, value in result.value.map_value.fields.items()}


@pytest.mark.parametrize(("place", "name"), COMMITTED.items(), ids=lambda value: str(value))
def test_a_committed_guest_is_what_its_source_builds(place, name):
    assert (ROOT / place).read_bytes() == wasm(name), f"run `make guests` and commit {place}"


def test_another_directory_builds_the_same_bytes_and_no_path_is_inside(tmp_path):
    copy = tmp_path / "copy of the tree"
    shutil.copytree(ROOT / "tests" / "guests" / "c", copy / "tests" / "guests" / "c")
    shutil.copytree(ROOT / "examples", copy / "examples")
    for name in sorted(set(COMMITTED.values())):
        build(GUESTS[name], tmp_path / "out.wasm", root=copy)
        found = (tmp_path / "out.wasm").read_bytes()
        assert found == wasm(name)
        assert not [part for part in (str(ROOT), str(tmp_path), "/home", "/tmp", ".venv") if part.encode() in found]


def test_the_command_of_the_page_builds_the_committed_bytes(tmp_path):
    page = (ROOT / "examples" / "hello" / "README.md").read_text()
    [command] = [line for line in page.splitlines() if " -m ziglang cc " in line]
    arguments = shlex.split(command.partition(" -m ziglang cc ")[2])
    arguments[arguments.index("-o") + 1] = str(tmp_path / "hello.wasm")
    compile_c(arguments)
    assert (tmp_path / "hello.wasm").read_bytes() == wasm("hello")


@pytest.mark.parametrize("name", ["greet", "hello", "echo", "approval"])
def test_a_sample_subscribes_to_the_http_trigger(name):
    run = run_bare(wasm(name), SUBSCRIBE)
    assert run.result is not None
    [subscription] = run.result.trigger_subscriptions.subscriptions
    assert (subscription.id, subscription.method) == ("http-trigger@1.0.0-alpha", "Trigger")
    assert subscription.payload == any_of(http_pb2.Config())
    assert not run.host.asked_secrets


@pytest.mark.parametrize(
    ("text", "greeting"),
    [
        ('{"who": "x"}', "hello, x"),
        ('{"a": "who", "who" :\n"Zoë"}', "hello, Zoë"),
        ('{"who": "\\u0022\\ud83d\\ude00\\n\\u00eb"}', 'hello, "😀\në'),
        ("{}", "hello, world"),
        ('{"who": 7}', "hello, world"),
        ('{"who": "\\ud83d alone"}', "hello, world"),
        ('{"who": "cut', "hello, world"),
        ('{"who": "\\u00', "hello, world"),
        ("", "hello, world"),
    ],
    ids=[
        "plain",
        "name as a value first",
        "escapes",
        "nobody",
        "a number",
        "half a pair",
        "cut",
        "cut escape",
        "empty",
    ],
)
def test_greet_greets_whom_the_input_names(text, greeting):
    run = run_bare(wasm("greet"), posted(text))
    assert run.result is not None
    assert run.result.value.string_value == greeting
    assert not run.host.asked_secrets


def test_hello_proves_that_it_had_the_secret_without_a_byte_of_it():
    host = PretendedHost(secrets={("main", "API_KEY"): "s3cret"})
    run = run_bare(wasm("hello"), posted('{"who": "x"}'), host)
    assert strings(run.result) == {"greeting": "hello, x", "api_key": "present, 6 bytes"}
    assert b"s3cret" not in run.result.SerializeToString()
    [asked] = host.asked_secrets
    assert [(r.id, r.namespace) for r in asked.requests] == [("API_KEY", "main")]


def test_hello_asks_for_the_secret_that_its_config_names():
    host = PretendedHost(secrets={("main", "OTHER"): "12345678901"})
    run = run_bare(wasm("hello"), posted("{}", config=b"OTHER"), host)
    assert strings(run.result) == {"greeting": "hello, world", "other": "present, 11 bytes"}


def test_hello_runs_without_its_secret_and_says_so():
    run = run_bare(wasm("hello"), posted('{"who": "x"}'))
    assert strings(run.result) == {"greeting": "hello, x", "api_key": "absent"}


def test_hello_refuses_a_config_that_cannot_be_a_name():
    run = run_bare(wasm("hello"), posted("{}", config=b"x" * 65))
    assert run.result is not None
    assert "at most 64 bytes" in run.result.error


@pytest.mark.parametrize("size", [0, 1, 1024, 60_000])
def test_echo_answers_the_input_whole(size):
    content = bytes(n % 251 for n in range(size))
    run = run_bare(wasm("echo"), trigger(http_pb2.Payload(input=content)))
    assert run.result is not None
    assert run.result.value.bytes_value == content
    assert 15_000 < len(wasm("echo")) < 30_000


def test_echo_answers_any_other_payload_as_it_came():
    run = run_bare(wasm("echo"), trigger(http_pb2.Response(status_code=204)))
    assert run.result is not None
    assert run.result.value.bytes_value == http_pb2.Response(status_code=204).SerializeToString()


def test_the_webhook_names_the_keys_of_its_config_and_answers_with_the_one_that_signed():
    keys = ["0x" + "1" * 40, "0x" + "2" * 40]
    asked = sdk_pb2.ExecuteRequest(subscribe={}, config=f" {keys[0]}\n\n{keys[1]} ".encode())
    [subscription] = run_bare(wasm("webhook"), asked).result.trigger_subscriptions.subscriptions
    config = http_pb2.Config(
        authorized_keys=[http_pb2.AuthorizedKey(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key=key) for key in keys]
    )
    assert subscription.payload == any_of(config)
    [bare] = run_bare(wasm("webhook"), SUBSCRIBE).result.trigger_subscriptions.subscriptions
    assert bare.payload == any_of(http_pb2.Config())
    payload = http_pb2.Payload(input=b'{"who": "x"}', key=config.authorized_keys[1])
    assert run_bare(wasm("webhook"), trigger(payload)).result.value.string_value == f"hello, x, from {keys[1]}"
    assert run_bare(wasm("webhook"), posted("{}")).result.value.string_value == "hello, world, from nobody's key"
    long = sdk_pb2.ExecuteRequest(subscribe={}, config=b"0" * 1025)
    assert "at most 1024 bytes" in run_bare(wasm("webhook"), long).result.error


def test_the_approval_makes_a_hook_named_after_the_order_and_answers_with_what_is_left_there():
    def create(request):
        asked = run_capability_pb2.CreateHookRequest()
        assert request.payload.Unpack(asked)
        made.append((asked.token, asked.metadata))
        return run_capability_pb2.CreateHookResponse(hook_id="hook_1", token=asked.token or "drawn")

    def wait(request):
        asked = run_capability_pb2.AwaitHookRequest()
        assert request.payload.Unpack(asked)
        assert asked.hook_id == "hook_1"
        return run_capability_pb2.AwaitHookResponse(payload=b'{"paid": true}')

    made = []
    host = PretendedHost(answers={("run@1.0.0", "CreateHook"): create, ("run@1.0.0", "AwaitHook"): wait})
    run = run_bare(wasm("approval"), posted('{"order": "4711"}'), host=host)
    assert run.result.value.string_value == '{"paid": true}'
    run_bare(wasm("approval"), posted("{}"), host=host)
    assert made == [("order-4711", b'{"order": "4711"}'), ("", b"{}")]
