"""Simulations in detail: answers out of files, quotas, and what would be refused elsewhere."""

from dataclasses import replace

import pytest

from strongroom.errors import InvalidInput
from strongroom.modules.attributes import parse_attributes
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.settings.limits import LimitSettings
from strongroom.testing.enclave_warnings import warnings_of
from strongroom.testing.hidden import Hidden
from strongroom.testing.mocks import Mock, Mocks, MocksOfOneRun
from strongroom.testing.simulated_host import SimulatedHost
from strongroom.testing.simulation import Wish, simulate
from strongroom.testing.simulation_files import limits_of, secrets_of
from tests.guests.build import wasm

KEY = {("main", "PRICES_KEY"): "k3y"}
PAYLOAD = b'{"pair": "ETH-USD"}'
NO_MOCKS = Mocks({}, {})


def mocks(tmp_path, text):
    path = tmp_path / "mocks.yaml"
    path.write_text(text)
    return Mocks.of_file(path)


def wish(name="prices", **changes):
    given = Wish(
        binary=wasm(name),
        name=name,
        config=b"",
        attributes=parse_attributes(b""),
        has_attributes="attributes" in changes,
        trigger=0,
        payload=PAYLOAD if name == "prices" else b"",
        mocks=NO_MOCKS,
        secrets=KEY,
        limits=LimitSettings(),
    )
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a", "its top level is not a mapping"),
        ("a@1.0.0: 1", "below a capability id stand its methods"),
        ("a@1.0.0: {M: 1}", "it takes `answer` or `error`"),
        ("a@1.0.0: {M: {answer: {}, error: x}}", "it takes `answer` or `error`"),
        ("a@1.0.0: {M: {error: x, sleep: 1}}", "it takes `answer` or `error`"),
        ("a@1.0.0: {M: {error: ''}}", "error: it must be a text"),
        ("a@1.0.0: {M: {error: x, delay_ms: -1}}", "delay_ms: it must be a whole number"),
        ("a@1.0.0: {M: {error: x, delay_ms: true}}", "delay_ms: it must be a whole number"),
        ("a@1.0.0: {M: {error: x, delay_ms: 600001}}", "delay_ms: it must be a whole number"),
        ("a@1.0.0: {M: {answer: {}}}", "what a@1.0.0 M answers is not known here"),
        ("a@1.0.0: {M: {answer: {}, type: no.such.Message}}", "is not known here"),
        ("http-actions@1.0.0-alpha: {SendRequest: [{answer: {status: 1}}]}", "SendRequest[0].answer: it does not fit"),
        ("http-actions@1.0.0-alpha: {SendRequest: {answer: {body: {xml: 1}}}}", "bytes are base64, {text: …}"),
        ("http-actions@1.0.0-alpha: {SendRequest: {answer: {body: {text: 1}}}}", "text is a string"),
        ("http-actions@1.0.0-alpha: {SendRequest: {answer: 1}}", "it does not fit"),
        ("a: &x {M: {error: x}}", "anchors and aliases"),
    ],
)
def test_a_wrong_file_of_answers_is_refused_with_the_place(tmp_path, text, why):
    with pytest.raises(InvalidInput) as refused:
        mocks(tmp_path, text)
    assert refused.value.code == "SR-SIM-001"
    assert why in refused.value.why
    assert "mocks.yaml" in refused.value.why


def test_a_list_answers_in_order_and_one_answer_answers_always(tmp_path):
    one = 'http-actions@1.0.0-alpha: {SendRequest: {answer: {statusCode: 200, body: {json: {price: "7"}}}}}'
    always = simulate(wish(mocks=mocks(tmp_path, one)))
    assert always.failure == ""
    listed = one.replace("{answer", "[{answer").replace("}}}}}", "}}}}]}")
    done = simulate(wish(mocks=mocks(tmp_path, listed)))
    fields = done.phases[-1].outcome.result.value.map_value.fields
    assert (fields["first"].string_value, fields["second"].string_value) == ("7", "no answer")
    assert "the mock of http-actions@1.0.0-alpha SendRequest has 1 answers" in done.phases[-1].outcome.logs[0]
    assert [call.callback_id for call in done.missing] == [1]


def test_an_answer_that_takes_longer_than_a_call_may_is_a_failed_call(tmp_path):
    late = "http-actions@1.0.0-alpha: {SendRequest: {answer: {statusCode: 200}, delay_ms: 600000}}"
    done = simulate(
        wish(mocks=mocks(tmp_path, late), limits=LimitSettings(capability_call_timeout_ms=10, run_timeout_ms=20_000))
    )
    assert "Public:System:DeadlineExceeded:no answer within 10 ms" in done.phases[-1].outcome.logs[0]


def test_limits_of_a_run_hold_as_on_a_host(tmp_path):
    answers = "http-actions@1.0.0-alpha: {SendRequest: {answer: {statusCode: 204}}}"
    done = simulate(wish(mocks=mocks(tmp_path, answers), limits=LimitSettings(http_action_calls_max=1)))
    assert "(limits.http_action_calls_max)" in done.phases[-1].outcome.logs[1]
    few = simulate(wish("many-calls", config=b"9", limits=LimitSettings(steps_max=5)))
    assert "made 5 steps, as many as a run may (limits.steps_max)" in few.failure
    small = simulate(wish(limits=LimitSettings(secrets_bytes_max=2)))
    assert "secrets of one run: 3 bytes is more than 2 (limits.secrets_bytes_max)" in small.failure


@pytest.mark.parametrize("capability", ["confidential-workflows@1.0.0-alpha", "confidential-workflows@9.0.0"])
def test_system_capabilities_are_refused_whatever_a_file_says(capability):
    anything = Mocks({(capability, "Execute"): Mock(sdk_pb2.CapabilityResponse())}, {})
    host = SimulatedHost(
        mocks=MocksOfOneRun(anything, call_timeout_ms=1_000),
        secrets={},
        attributes=parse_attributes(b""),
        limits=LimitSettings(),
        execution_id="",
        timeout=(1_000, "limits.run_timeout_ms"),
        may_call=True,
    )
    call = sdk_pb2.CapabilityRequest(id=capability, method="Execute")
    host.step(call)
    assert host.call_capability(call).error.startswith("Public:System:PermissionDenied:")


def test_consensus_without_a_mock_agrees_with_its_one_observer(tmp_path):
    text = """
basic-test-action@1.0.0: {PerformAction: {answer: {adaptedThing: test}}}
basic-test-node-action@1.0.0: {PerformAction: {answer: {outputThing: 555}}}
"""
    done = simulate(wish("mode-switch", mocks=mocks(tmp_path, text)))
    assert done.phases[-1].outcome.result.value.string_value == "test555"
    assert done.missing == ()
    once = simulate(wish("mode-switch", mocks=mocks(tmp_path, text), limits=LimitSettings(time_reads_max=1)))
    assert once.failure == "the host has no time"
    assert once.phases[-1].used.notes == ["the run read the time more than 1 times"]


@pytest.mark.parametrize(
    ("attributes", "secrets", "warning"),
    [
        ('{"x": 1}', KEY, "attributes.x is not known to this host"),
        ('{"vault_don_secrets": [{"key": "B"}]}', KEY, "secret main/B is named in the attributes and not given"),
        ("", {}, "the guest asked for secret main/PRICES_KEY, which was not given"),
        (
            '{"confidential": true, "vault_don_secrets": [{"key": "B"}]}',
            {**KEY, ("main", "B"): "b"},
            "secret main/PRICES_KEY is not in vault_don_secrets: the enclave refuses it",
        ),
        (
            '{"vault_don_secrets": [{"key": "B"}]}',
            {**KEY, ("main", "B"): "b"},
            "secret main/PRICES_KEY is not in vault_don_secrets: a host refuses it",
        ),
        ("{}", KEY, "secret main/PRICES_KEY is not in vault_don_secrets: a host refuses it"),
    ],
    ids=["unknown attribute", "named and not given", "not given", "not named", "not named, on a host", "nothing named"],
)
def test_what_would_fail_elsewhere_is_said(attributes, secrets, warning):
    given = wish(attributes=parse_attributes(attributes.encode()), secrets=secrets)
    found = warnings_of(given, simulate(given))
    assert [line for line in found if line.startswith(warning)], found


def test_attributes_that_list_nothing_give_nothing_and_without_attributes_a_simulation_gives_what_it_has():
    for document in (b"{}", b'{"vault_don_secrets": []}', b'{"confidential": true}'):
        strict = simulate(wish(attributes=parse_attributes(document)))
        assert "main/PRICES_KEY is not listed in the workflow's attributes" in strict.failure
    free = wish()
    assert simulate(free).phases[-1].used.counts["secret bytes"] == 3
    assert "secret main/PRICES_KEY is not in vault_don_secrets: a host refuses it to the guest" in str(
        warnings_of(free, simulate(free))
    )


def test_limits_that_are_raised_here_do_not_reach_into_an_enclave():
    given = wish(attributes=parse_attributes(b'{"confidential": true}'), limits=LimitSettings(log_lines_max=2_000))
    found = warnings_of(given, simulate(given))
    assert "limits.log_lines_max is 2000 here; the limits of this host do not reach into an enclave (1000)" in found
    plain = replace(given, attributes=parse_attributes(b'{"vault_don_secrets": [{"key": "PRICES_KEY"}]}'))
    assert warnings_of(plain, simulate(plain)) == []


def test_a_trigger_that_needs_an_enclave_is_said():
    given = wish("tee")
    [warning] = warnings_of(given, simulate(given))
    assert warning.startswith("trigger 0 has requirements that no local sandbox satisfies")


def test_an_enclave_does_not_begin_without_a_secret_that_is_named():
    attributes = parse_attributes(b'{"confidential": true, "vault_don_secrets": [{"key": "PRICES_KEY"}]}')
    done = simulate(wish(attributes=attributes, secrets={}))
    assert done.failure == "could not find secret: main/PRICES_KEY"
    local = parse_attributes(b'{"vault_don_secrets": [{"key": "PRICES_KEY"}]}')
    assert "is not set, and the workflow's attributes name it" in simulate(wish(attributes=local, secrets={})).failure


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("KEY", "line 1 is not KEY=value"),
        ("\n=v", "line 2 is not KEY=value"),
        ("A=1\nA=2", "line 2 sets main/A again"),
        ("a b=1", "line 1 is not KEY=value"),
        ("a/b/c=1", "line 1 is not KEY=value"),
    ],
)
def test_a_wrong_file_of_secrets_is_refused_without_a_value(text, why):
    with pytest.raises(InvalidInput, match="cannot be used") as refused:
        secrets_of(text.encode())
    assert why in refused.value.why


def test_secrets_have_namespaces_quotes_and_comments():
    text = '\ufeff# one\n\nexport A=1\nother/B="two words"\nC=a=b\nD=\'\n'
    assert secrets_of(text.encode()) == {
        ("main", "A"): "1",
        ("other", "B"): "two words",
        ("main", "C"): "a=b",
        ("main", "D"): "'",
    }
    with pytest.raises(InvalidInput) as refused:
        secrets_of(b"A=\xff")
    assert "byte 2 is not UTF-8" in refused.value.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1", "it has no mapping `limits`"),
        ("limits: 1", "it has no mapping `limits`"),
        ("limits: {no_such_thing: 1}", "there is no limit no_such_thing; none is near it"),
        ("limits: {step_max: 1}", "there is no limit step_max; did you mean steps_max?"),
        ("limits: {run_timeout: 1}", "there is no limit run_timeout; did you mean run_timeout_ms?"),
        ("limits: {7: 1}", "there is no limit 7"),
        ("limits: {steps_max: 0}", "steps_max: Input should be greater than or equal to 1"),
        ("limits: {steps_max: many}", "steps_max: Input should be a valid integer"),
    ],
)
def test_a_wrong_file_of_limits_is_refused(tmp_path, text, why):
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        limits_of(str(path))
    assert refused.value.code == "SR-SIM-002"
    assert why in refused.value.why


def test_limits_may_be_named_as_settings_and_listed_as_a_document(tmp_path):
    path = tmp_path / "limits.json"
    path.write_text('{"schema": "x", "limits": [{"name": "limits.steps_max", "value": 7}]}')
    assert limits_of(str(path)).steps_max == 7
    assert limits_of("default") == LimitSettings()


def test_hidden_values_are_found_as_they_are_in_hex_and_in_base64():
    hidden = Hidden({("main", "A"): "s3cret!", ("main", "EMPTY"): "", ("x", "B"): "s3"})
    assert hidden.value({"a": ["s3cret! 73336372657421", "czNjcmV0IQ=="], "b": 3}) == {"a": ["*** ***", "***"], "b": 3}
    assert hidden.found_in("czNjcmV0IQ==") == ["main/A"]
    assert "s3" not in repr(hidden)
    assert Hidden({}).text("as it is") == "as it is"


def test_what_the_host_notes_of_a_guest_is_a_warning_and_no_line_of_its_log():
    given = wish("log-flood", limits=LimitSettings(log_lines_max=3))
    done = simulate(given)
    assert len(done.phases[-1].outcome.logs) == 3
    assert "further log lines are dropped, the limit is 3 (limits.log_lines_max)" in warnings_of(given, done)
