"""What an author gets of one guest: its end, its lines, its calls, and what its functions may do."""

import asyncio
import base64
import threading
import time

import brotli
import pytest

from strongroom.settings.limits import LimitSettings
from strongroom.testing import CapabilityError, InvalidModule, Limits, run_guest, sdk_pb
from strongroom.testing.limits import DEFAULT, guest_limits
from strongroom.testing.run import SHORT_REQUESTS
from tests.guests.build import wasm
from tests.testing.answers import ACTION, EVENT, SUBSCRIBE, adapted, event

LONG_AGO_NS = 1_577_934_245_000_000_000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("silent", "could not find response for execution"),
        ("returns-silently", "could not find response for execution"),
        ("exit-3", "exit status 3"),
    ],
)
def test_a_guest_that_ends_without_a_result_has_the_words_of_the_contract(name, said):
    outcome = run_guest(wasm(name), EVENT)
    assert (outcome.result, outcome.error) == (None, said)


def test_a_trap_is_an_error_and_says_that_it_is_one():
    outcome = run_guest(wasm("trap"), EVENT)
    assert outcome.result is None
    assert "wasm trap: wasm `unreachable` instruction executed" in outcome.error


@pytest.mark.parametrize("name", ["loop", "sleep-forever"])
def test_a_deadline_is_named_with_its_value_and_its_name(name):
    outcome = run_guest(wasm(name), EVENT, limits=Limits(deadline_ms=100))
    assert outcome.error.startswith("context deadline exceeded: ")
    assert "100 ms" in outcome.error
    assert "deadline_ms" in outcome.error
    assert outcome.duration_s >= 0.1


def test_a_deadline_ends_a_guest_whose_capability_does_not_answer():
    ended = threading.Event()
    outcome = run_guest(
        wasm("async-calls"), EVENT, capabilities={ACTION: lambda _: ended.wait(30)}, limits=Limits(deadline_ms=100)
    )
    ended.set()
    # The guest is told at its await, and has no time left to answer.
    assert outcome.error.startswith("context deadline exceeded")
    assert len(outcome.calls) == 2


@pytest.mark.parametrize("empty", [None, sdk_pb.ExecuteRequest()], ids=["nothing", "a request that says nothing"])
def test_no_request_is_refused_in_the_words_of_the_contract(empty):
    outcome = run_guest(wasm("config"), empty)
    assert (outcome.result, outcome.error) == (None, "invalid request: can't be nil")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("legacy", "cannot execute a legacy dag workflow"),
        ("no-memory", 'module does not export "memory"'),
        ("memory-is-a-global", 'module export "memory" is not a memory'),
        ("no-start", "could not get start function"),
        ("unknown-import", "open_the_door"),
    ],
)
def test_a_module_that_no_host_takes_is_refused_with_the_reason(name, why):
    with pytest.raises(InvalidModule) as refused:
        run_guest(wasm(name), EVENT)
    assert refused.value.code == "SR-GUEST-010"
    assert why in str(refused.value)


def test_a_module_may_be_raw_or_compressed_or_base64_of_that():
    raw = wasm("config")
    packed = brotli.compress(raw)
    for binary in (raw, packed, base64.b64encode(packed), bytearray(raw)):
        assert run_guest(binary, EVENT).result.value.bytes_value == b"config"


@pytest.mark.parametrize(
    ("binary", "limits", "why"),
    [
        (wasm, Limits(module_bytes_max=100), "binary size exceeds the maximum allowed size"),
        (
            lambda name: brotli.compress(wasm(name)),
            Limits(compressed_bytes_max=100),
            "compressed binary size exceeds the maximum allowed size",
        ),
        (
            lambda name: base64.b64encode(brotli.compress(wasm(name))),
            Limits(module_bytes_max=100),
            "decompressed binary size reached the maximum allowed size",
        ),
        (lambda _name: b"no module at all", DEFAULT, "failed to decompress binary"),
        (lambda _name: brotli.compress(b"text"), DEFAULT, "not a WebAssembly module"),
        (lambda _name: b"", DEFAULT, "failed to decompress binary"),
    ],
    ids=["raw too large", "compressed too large", "decompressed too large", "broken stream", "no module", "nothing"],
)
def test_the_limits_of_a_module_hold_in_every_form(binary, limits, why):
    assert run_guest(wasm("config"), EVENT).error is None, "what is compiled already is no way around a limit"
    with pytest.raises(InvalidModule, match=why):
        run_guest(binary("config"), EVENT, limits=limits)


def test_a_result_over_its_limit_is_refused_and_the_limit_named():
    assert run_guest(wasm("config"), event(sdk_pb.Trigger(), config=b"x" * 90)).error is None
    tight = Limits(response_bytes_max=90)
    outcome = run_guest(wasm("config"), event(sdk_pb.Trigger(), config=b"x" * 100), limits=tight)
    assert outcome.result is None
    assert "the result of 104 bytes is larger than the limit of 90 bytes" in outcome.error
    assert "response_bytes_max" in outcome.error


def test_log_lines_are_cut_marked_and_counted():
    outcome = run_guest(wasm("log-flood"), EVENT, limits=Limits(log_lines_max=7))
    assert len(outcome.logs) == 7
    [line] = run_guest(wasm("logging"), EVENT, limits=Limits(log_line_bytes_max=5)).logs
    assert line == "log f ...(truncated)"


def test_memory_is_limited_and_reported():
    small = run_guest(wasm("config"), EVENT)
    assert small.memory_bytes > 0
    assert small.memory_bytes % 65_536 == 0
    bomb = run_guest(wasm("memory-bomb"), EVENT, limits=Limits(memory_bytes_max=10_000_000))
    assert bomb.error is not None
    assert small.memory_bytes < bomb.memory_bytes <= 10_000_000


def test_calls_over_the_limit_wait_for_earlier_ones():
    lock, open_now, most = threading.Lock(), [0], [0]

    def action(_request):
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        with lock:
            open_now[0] -= 1
        return adapted("")

    outcome = run_guest(
        wasm("many-calls"),
        event(sdk_pb.Trigger(), config=b"40"),
        capabilities={ACTION: action},
        limits=Limits(pending_calls_max=3),
    )
    assert outcome.result.value.string_value == "40 answers"
    assert most[0] <= 3
    assert [call.callback_id for call in outcome.calls] == list(range(40))


def raises(error):
    def function(_request):
        raise error

    return function


async def awaited_failure(_request):
    raise LookupError("in a coroutine")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            raises(CapabilityError("Public", "User", "NotFound", "no: such thing")),
            "Public:User:NotFound:no: such thing",
        ),
        (raises(ValueError("wrong")), "Private:System:Unknown:ValueError: wrong"),
        (awaited_failure, "Private:System:Unknown:LookupError: in a coroutine"),
        (
            lambda _: None,
            f"Private:System:Internal:the function of {ACTION} returned NoneType, not a CapabilityResponse",
        ),
        (None, f"Public:System:NotFound:action capability not found: no compatible capability found for id {ACTION}"),
    ],
    ids=["a capability error", "any other error", "an error of a coroutine", "no response", "no function"],
)
def test_what_a_function_does_instead_of_answering_is_a_failed_call(function, said):
    outcome = run_guest(wasm("async-calls"), EVENT, capabilities={ACTION: function} if function else {})
    assert (outcome.result.error, outcome.error) == (said, None)


def test_a_test_that_fails_inside_a_function_fails():
    async def fails_later(_request):
        pytest.fail("and this")

    with pytest.raises(pytest.fail.Exception, match="this is it"):
        run_guest(wasm("async-calls"), EVENT, capabilities={ACTION: lambda _: pytest.fail("this is it")})
    with pytest.raises(pytest.fail.Exception, match="and this"):
        run_guest(wasm("async-calls"), EVENT, capabilities={ACTION: fails_later})


@pytest.mark.filterwarnings("error")
def test_a_call_that_nobody_waits_for_is_cancelled():
    cancelled = threading.Event()
    running = threading.Event()

    async def action(_request):
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    for _ in range(20):
        outcome = run_guest(wasm("leaves-calls"), EVENT, capabilities={ACTION: action})
        assert outcome.error is None
    if running.is_set():
        assert cancelled.wait(10)


def test_in_subscribe_capability_calls_fail_and_secrets_work():
    asked = []
    outcome = run_guest(wasm("call-at-subscribe"), SUBSCRIBE, capabilities={ACTION: asked.append})
    assert asked == []
    assert "capability calls cannot be made during this execution" in outcome.result.error
    assert len(outcome.calls) == 1
    subscribed = run_guest(wasm("secrets-at-subscribe"), SUBSCRIBE, secrets={("main", "Foo"): "Bar"})
    assert len(subscribed.result.trigger_subscriptions.subscriptions) == 1


def test_an_empty_namespace_means_main_on_both_sides():
    assert run_guest(wasm("secrets"), EVENT, secrets={("", "Foo"): "Bar"}).result.value.string_value == "Bar"


@pytest.mark.parametrize(
    "moment", [raises(OSError("no clock")), lambda _: "noon", lambda _: -1, lambda _: 1 << 63, lambda _: None]
)
def test_a_time_that_fails_is_no_time_for_the_guest(moment):
    outcome = run_guest(wasm("time"), EVENT, don_time=lambda: moment(None))
    assert outcome.result.error == "the host has no time"


def test_without_functions_of_the_time_the_guest_sees_this_machine():
    before = time.strftime("%Y-%m-%dT%H", time.gmtime())
    said = run_guest(wasm("time"), EVENT).result.value.string_value
    assert said[:13] in {before, time.strftime("%Y-%m-%dT%H", time.gmtime())}


def test_many_threads_run_guests_beside_each_other():
    said = {}

    def work(number):
        config = f"guest {number}".encode()
        said[number] = run_guest(wasm("config"), event(sdk_pb.Trigger(), config=config)).result.value.bytes_value

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"guest {number}".encode() for number in range(24)}


def test_a_capability_may_run_a_guest_itself():
    def action(_request):
        return adapted(run_guest(wasm("config"), EVENT).result.value.bytes_value.decode())

    outcome = run_guest(wasm("async-calls"), EVENT, capabilities={ACTION: action})
    assert outcome.result.value.string_value == "configconfig"


@pytest.mark.parametrize("name", Limits.__slots__)
@pytest.mark.parametrize("value", [0, -1, True, 1.5, "9", 1 << 40], ids=repr)
def test_a_limit_is_a_whole_number_that_a_host_could_have(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_the_limits_of_a_test_are_those_of_a_host_that_nobody_changed():
    production = LimitSettings()
    bounds = guest_limits(DEFAULT)
    assert bounds.timeout_ms == production.run_timeout_ms
    for limit_ms, setting in SHORT_REQUESTS.values():
        assert limit_ms == getattr(production, setting.removeprefix("limits."))
    for name in set(bounds.__slots__) & set(LimitSettings.model_fields):
        assert getattr(bounds, name) == getattr(production, name), name


def test_a_module_that_begins_with_more_memory_than_it_may_have_is_refused():
    with pytest.raises(InvalidModule, match="begins with"):
        run_guest(wasm("config"), EVENT, limits=Limits(memory_bytes_max=65_536))
    with pytest.raises(InvalidModule, match="the limit is 100000000 bytes"):
        run_guest(wasm("huge-memory"), EVENT)
