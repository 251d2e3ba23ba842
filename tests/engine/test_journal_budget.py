"""What a guest can make its host write is bounded: refused requests are kept as digests, and a journal has a size."""

import pytest
from google.protobuf import wrappers_pb2

from strongroom.engine.admission import Start
from strongroom.engine.history import History
from strongroom.engine.limits import EngineLimits
from strongroom.engine.opened import Opener
from strongroom.engine.recorded import recorded
from strongroom.errors import StrongroomError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, Guest, Holding, call, waits
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

LARGE = 100_000
VAULT = "vault@1.0.0"


def large(number, *, capability=ACTION, size=LARGE, letter="x"):
    payload = packed(wrappers_pb2.StringValue(value=letter * size))
    return sdk_pb2.CapabilityRequest(id=capability, method=METHOD, callback_id=number, payload=payload)


def answered(size):
    return capabilities_pb2.CapabilityResponse(payload=packed(wrappers_pb2.StringValue(value="y" * size)))


def begin(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def run(host, on_trigger):
    return host.engine.wait(begin(host, on_trigger), WAIT_S)


def events(host, header):
    return host.host.journals.read(header)


def sealed_bytes(host, header):
    return sum(len(event.row.sealed) for event in events(host, header))


@pytest.mark.parametrize("capability", ["nobody@1.0.0", "confidential-workflows@1.0.0-alpha", "", "x" * LARGE])
def test_a_large_call_that_reaches_nobody_is_recorded_by_its_digest(host, capability):
    errors = []

    def nine(request, helper):
        errors.extend(helper.call_capability(large(number, capability=capability)).error for number in range(9))
        return value("done")

    header, _ = run(host, nine)
    assert header.status == "completed"
    assert all(errors), errors
    assert sealed_bytes(host, header) < LARGE * (2 if len(capability) < 100 else 20)
    steps = recorded(events(host, header)).steps
    assert len(steps) == 9
    assert {len(step.digest) for step in steps.values()} == {32}


def test_a_large_call_that_is_refused_is_recorded_by_its_digest(database):
    host = WorkflowHost(database, limits=EngineLimits(http_action_calls_max=1))
    http = "http-actions@1.0.0-alpha"
    host.capabilities.found[http] = ScriptedCapability({METHOD: answered(5)})

    def twice(request, helper):
        return value(str([bool(helper.call_capability(large(n, capability=http)).error) for n in range(2)]))

    header, outcome = run(host, twice)
    assert outcome.result == value("[False, True]")
    steps = recorded(events(host, header)).steps
    assert (len(steps["0"].request) > LARGE, steps["0"].digest) == (True, b"")
    assert (len(steps["1"].request) < 1_000, len(steps["1"].digest)) == (True, 32)
    host.close()


def test_a_large_fetch_that_is_refused_is_recorded_by_its_digest(database):
    host = WorkflowHost(database, limits=EngineLimits(secrets_fetches_max=1))

    def many(request, helper):
        asked = sdk_pb2.GetSecretsRequest(callback_id=0, requests=[sdk_pb2.SecretRequest(id="k" * LARGE)])
        for number in range(2):
            asked.callback_id = number
            with pytest.raises(StrongroomError):
                helper.get_secrets(asked)
        return value("done")

    header, _ = run(host, many)
    step = recorded(events(host, header)).steps["s1"]
    assert (step.secrets, len(step.request) < 100, len(step.digest)) == (True, True, 32)
    host.close()


def test_a_guest_that_asks_for_something_else_than_its_digest_says_is_stopped(host):
    host.capabilities.found[ACTION] = Holding()

    def changing(request, helper):
        letter = "x" if len(host.module.executed) == 1 else "z"
        helper.call_capability(large(1, capability="nobody@1.0.0", letter=letter))
        guest = Guest(helper)
        guest.call(call(2))
        return value(guest.answer(2)[0])

    run_id = begin(host, changing)
    waits(host, run_id)
    host.capabilities.found[ACTION].released.set()
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-030")
    assert "step 1 asked for something else before" in outcome.failure.error


def test_an_opened_digest_names_what_was_called_and_hides_what_concerns_the_vault(host):
    def both(request, helper):
        helper.call_capability(large(1, capability="nobody@1.0.0"))
        helper.call_capability(large(2, capability=VAULT))
        return value("done")

    header, _ = run(host, both)
    opener = Opener()
    shown = {
        event.row.correlation_id: opener.content(event.row.event_type, event.row.correlation_id, event.content)
        for event in events(host, header)
        if event.row.event_type == "step_created"
    }
    assert shown["1"]["request"]["id"] == "nobody@1.0.0"
    assert len(bytes.fromhex(shown["1"]["request_digest"])) == 32
    assert shown["2"] == {"request": "***"}


def ask(request, helper):
    return [helper.call_capability(large(number, size=10_000)).error for number in range(30)]


def answers(request, helper):
    return [helper.call_capability(call(number)).error for number in range(30)]


def log(request, helper):
    for number in range(3_000):
        helper.log(1, "z" * 900 + str(number))


@pytest.mark.parametrize("write", [ask, answers, log], ids=lambda write: write.__name__)
def test_a_run_that_has_too_much_written_fails_and_names_size_limit_and_setting(database, write):
    host = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=200_000))
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: answered(10_000 if write is answers else 5)})

    def on_trigger(request, helper):
        write(request, helper)
        return value("done")

    header, outcome = run(host, on_trigger)
    assert (header.status, header.error_code) == ("failed", "SR-RUN-061")
    assert "more than 200000" in outcome.failure.error
    assert "limits.journal_bytes_max" in outcome.failure.help
    assert 100_000 < sealed_bytes(host, header) < 210_000
    host.close()


def test_what_was_written_before_a_restart_counts(database):
    host = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=200_000))
    holding = host.capabilities.found[ACTION] = Holding()
    host.capabilities.found["other@1.0.0"] = ScriptedCapability({METHOD: answered(5)})

    def in_two_halves(request, helper):
        for number in range(6):
            helper.call_capability(large(number, capability="other@1.0.0", size=20_000))
        guest = Guest(helper)
        guest.call(call(10))
        guest.answer(10)
        for number in range(20, 26):
            helper.call_capability(large(number, capability="other@1.0.0", size=20_000))
        return value("done")

    run_id = begin(host, in_two_halves)
    waits(host, run_id)
    host.cut_off()
    holding.released.set()
    after = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=200_000))
    after.capabilities.found |= host.capabilities.found
    after.module.on_trigger = in_two_halves
    assert after.engine.resume() == 1
    header, _ = after.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("failed", "SR-RUN-061")
    after.close()


def test_an_answer_that_is_too_large_and_comes_after_its_guest_was_dropped_ends_the_run(database):
    host = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=50_000, suspend_after_ms=1))
    holding = Holding()

    class Large:
        def execute(self, request, *, timeout_s):
            holding.execute(request, timeout_s=timeout_s)
            return answered(LARGE)

    host.capabilities.found[ACTION] = Large()

    def waiting(request, helper):
        guest = Guest(helper)
        guest.call(call(1))
        return value(guest.answer(1)[0])

    run_id = begin(host, waiting)
    waits(host, run_id)
    holding.released.set()
    header, _ = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("failed", "SR-RUN-061")
    assert holding.references == ["1"], "it is not sent again"
    host.close()


def test_a_journal_is_read_a_few_megabytes_at_a_time(host):
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: answered(1_500_000)})

    def six(request, helper):
        for number in range(6):
            helper.call_capability(call(number))
        return value("done")

    header, _ = run(host, six)
    history = History(host.host.journals)
    indexes, pages, complete = [], [], False
    while not complete:
        page, complete = history.events(header.run_id, len(indexes), 500)
        assert page, "every page has an event, however large"
        assert all(event.content is not None for event in page)
        indexes += [event.row.index for event in page]
        pages.append(sum(len(event.row.sealed) for event in page))
    assert indexes == list(range(header.head_index + 1))
    assert max(pages) <= 4_000_000
    assert len(pages) >= 3
    assert [event.row.index for event in history.stored(header)] == indexes
    with history.watch(header.run_id) as watch:
        assert [event.row.index for event in history.follow(header.run_id, 0, watch)] == indexes
