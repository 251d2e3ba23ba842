"""Payloads of a manual start: JSON and nothing else, in the message of the trigger."""

import pytest

from strongroom.engine.triggers import wrap
from strongroom.errors import InvalidInput

HTTP = "http-trigger@1.0.0-alpha"
CRON = "cron-trigger@1.0.0"
UNKNOWN = "other-trigger@1.0.0"


@pytest.mark.parametrize("capability", [HTTP, CRON, UNKNOWN])
@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"NaN", "NaN is no JSON value"),
        (b'{"a": [Infinity]}', "Infinity is no JSON value"),
        (b'{"a": -Infinity}', "-Infinity is no JSON value"),
        (b"{", "Expecting property name"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
    ],
    ids=["not a number", "infinity", "minus infinity", "cut", "deep", "not text"],
)
def test_what_is_not_json_is_refused(capability, payload, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        wrap(capability, "", payload)
    assert caught.value.code == "SR-RUN-005"


def test_a_name_that_the_message_does_not_have_is_said_in_one_line():
    with pytest.raises(InvalidInput, match='no field named "when"') as caught:
        wrap("cron-trigger@1.0.0", "", b'{"when": 1}')
    assert "\n" not in str(caught.value)
    assert "scheduledExecutionTime" in str(caught.value)


def test_json_is_handed_on_as_it_is():
    assert b'{"a": 1e3}' in wrap(HTTP, "", b'{"a": 1e3}').value


@pytest.mark.parametrize("payload", [b'"text"', b"[]", b"7", b"false"])
@pytest.mark.parametrize("capability", [CRON, "basic-test-trigger@1.0.0"])
def test_a_payload_that_is_no_object_is_said_to_be_none(capability, payload):
    with pytest.raises(InvalidInput, match="it is no JSON object") as caught:
        wrap(capability, "", payload)
    assert caught.value.code == "SR-RUN-005"
