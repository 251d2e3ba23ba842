"""The guests that break something, on bare wasmtime: each is hostile in the way its name says, and in no other."""

import pytest
import wasmtime

from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.bare import run_bare
from tests.guests.build import WAT, guest, wasm
from tests.guests.host import PretendedHost, any_of, trigger
from tools.build_guests import GUESTS

SUBSCRIBE = sdk_pb2.ExecuteRequest(subscribe={}, config=b"config", max_response_size=100_000)
EVENT = trigger(http_pb2.Payload(input=b"{}"))
HOSTILE = sorted(name for name, made in GUESTS.items() if made.source.endswith("hostile.c"))


def module(name):
    return wasmtime.Module(wasmtime.Engine(), wasm(name))


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.endswith("-at-subscribe")])
def test_a_hostile_guest_subscribes_politely(name):
    run = run_bare(wasm(name), SUBSCRIBE)
    assert run.result is not None
    [subscription] = run.result.trigger_subscriptions.subscriptions
    assert subscription.id == "http-trigger@1.0.0-alpha"


@pytest.mark.parametrize("name", sorted(GUESTS))
def test_a_guest_has_what_a_host_asks_for(name):
    made = module(name)
    exports = {export.name for export in made.exports}
    assert exports == {"memory", "_start"}
    assert ("env", "version_v2") in {(i.module, i.name) for i in made.imports}
    [wanted] = [len(i.type.params) for i in made.imports if i.name == "call_capability"] or [0]
    assert wanted in ({0, 4} if "CRE_CALL_V2" in GUESTS[name].defines else {0, 2})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("trap", "unreachable"), ("recursion", "call stack exhausted"), ("trap-when-made", "unreachable")],
)
def test_a_guest_that_traps(name, reason):
    with pytest.raises(wasmtime.Trap, match=reason):
        run_bare(wasm(name), EVENT)


@pytest.mark.parametrize(
    ("name", "code"),
    [("silent", 0), ("garbage", 0), ("returns-silently", None)],
)
def test_a_guest_that_answers_nothing(name, code):
    run = run_bare(wasm(name), EVENT)
    assert (run.result, run.exit_code) == (None, code)


@pytest.mark.parametrize(
    ("name", "code", "sent"),
    [("exit-3", 3, 1), ("garbage-after", 0, 2), ("twice", 0, 2), ("returns", None, 1), ("leaves-calls", 0, 1)],
)
def test_a_guest_that_answers_and_then_does_something_odd(name, code, sent):
    run = run_bare(wasm(name), EVENT)
    assert run.result is not None
    assert run.result.value.bytes_value == b"config"
    assert (run.exit_code, run.counts["send_response"]) == (code, sent)


def test_a_guest_that_answers_with_an_empty_result():
    run = run_bare(wasm("nothing"), EVENT)
    assert run.result == sdk_pb2.ExecutionResult()


def test_a_guest_that_answers_the_wrong_question():
    on_trigger = run_bare(wasm("wrong-kind"), EVENT).result
    on_subscribe = run_bare(wasm("wrong-kind-at-subscribe"), SUBSCRIBE).result
    assert on_trigger is not None
    assert on_subscribe is not None
    assert on_trigger.WhichOneof("result") == "trigger_subscriptions"
    assert on_subscribe.WhichOneof("result") == "value"


def test_a_guest_that_wants_a_hundred_triggers():
    result = run_bare(wasm("many-triggers-at-subscribe"), SUBSCRIBE).result
    assert result is not None
    assert len(result.trigger_subscriptions.subscriptions) == 100


@pytest.mark.parametrize(("config", "size"), [(b"", 100_001), (b"7", 7)], ids=["one above the limit", "as asked"])
def test_a_guest_that_answers_too_much(config, size):
    result = run_bare(wasm("too-much"), trigger(http_pb2.Payload(), config=config)).result
    assert result is not None
    assert len(result.value.bytes_value) == size


def test_a_guest_that_floods_the_log():
    run = run_bare(wasm("log-flood"), EVENT)
    assert [len(line) for _, line in run.host.lines] == [2_000_000, *[5] * 20_000]


def test_a_guest_that_sleeps_as_long_as_its_config_says():
    result = run_bare(wasm("sleep-long"), trigger(http_pb2.Payload(), config=b"1")).result
    assert result is not None
    assert result.value.string_value == "0"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("refuses-at-subscribe", "this workflow does not want to start"),
        ("waits-for-nothing", "failed to get call from store : 99"),
    ],
)
def test_a_guest_that_fails_with_a_reason(name, reason):
    result = run_bare(wasm(name), SUBSCRIBE if name.endswith("subscribe") else EVENT).result
    assert result is not None
    assert result.error == reason


def test_guests_that_ask_for_more_than_subscribe_allows():
    host = PretendedHost()
    assert run_bare(wasm("secrets-at-subscribe"), SUBSCRIBE, host).result is not None
    assert len(host.asked_secrets) == 1
    run_bare(wasm("call-at-subscribe"), SUBSCRIBE, host)
    assert len(host.calls) == 1


@pytest.mark.parametrize("name", sorted(path.stem for path in WAT.glob("*.wat")))
def test_a_text_module_is_a_valid_module_whatever_else_it_is(name):
    exports = {export.name: export.type for export in module(name).exports}
    assert isinstance(exports.get("memory"), wasmtime.MemoryType) == (name not in {"no-memory", "memory-is-a-global"})
    assert isinstance(exports.get("_start"), wasmtime.FuncType) == (name not in {"no-start", "start-is-a-memory"})


def test_a_module_may_import_next_to_nothing():
    run = run_bare(wasm("partial-imports"), EVENT)
    assert run.result is not None
    assert run.result.value.string_value == "small"
    assert run.exit_code is None


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(LookupError, match=r"no guest is named helo; there are .*hello.*no-start"):
        guest("helo")


def test_the_answers_of_the_wasi_guest_are_lines():
    result = run_bare(wasm("wasi"), EVENT).result
    assert result is not None
    lines = dict(line.split("=") for line in result.value.string_value.splitlines())
    assert (lines["realtime"], lines["write 1 bytes"], lines["open"], lines["seek 1"]) == ("0", "6", "8", "70")


def test_requests_are_decoded_as_they_were_written():
    for size in range(70):
        content = bytes(range(size))
        result = run_bare(
            wasm("config"), sdk_pb2.ExecuteRequest(config=content, trigger={"payload": any_of(EVENT)})
        ).result
        assert result is not None
        assert result.value.bytes_value == content
