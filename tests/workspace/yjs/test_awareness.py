"""Awareness updates: the bytes of y-protocols, gone clients, and limits."""

import pytest

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.workspace.yjs.awareness import (
    AWARENESS_BYTES_MAX,
    AWARENESS_CLIENTS_MAX,
    GONE,
    AwarenessState,
    decode_awareness,
    encode_awareness,
)

# As y-protocols 1.0.7 writes them for client 5 with the state {"name": "x"}, and after it has left.
PRESENT = bytes.fromhex("0105010c7b226e616d65223a2278227d")
LEFT = bytes.fromhex("010502046e756c6c")


def test_an_awareness_update_is_that_of_y_protocols():
    (said,) = decode_awareness(PRESENT)
    assert said == AwarenessState(5, 1, '{"name":"x"}')
    assert said.value() == {"name": "x"}
    assert not said.gone
    assert encode_awareness([said]) == PRESENT


def test_null_says_that_a_client_is_gone():
    (said,) = decode_awareness(LEFT)
    assert said.gone
    assert said.value() is None
    assert encode_awareness([AwarenessState(5, 2, GONE)]) == LEFT


def test_several_clients_keep_their_order():
    states = (AwarenessState(2**40, 7, "1"), AwarenessState(1, 0, '"ü😀"'), AwarenessState(3, 1, GONE))
    assert decode_awareness(encode_awareness(states)) == states
    assert decode_awareness(b"\0") == ()


def test_the_text_form_of_a_state_does_not_show_it():
    assert "name" not in repr(decode_awareness(PRESENT))


def test_every_cut_and_every_changed_byte_is_refused_as_malformed_or_reads_as_another_state():
    for end in range(len(PRESENT)):
        with pytest.raises(InvalidInput, match="the awareness update is malformed") as refused:
            decode_awareness(PRESENT[:end])
        assert refused.value.code == "SR-WS-044"
    with pytest.raises(InvalidInput, match="stand behind the end"):
        decode_awareness(PRESENT + b"\0")
    for place in range(len(PRESENT)):
        for byte in range(256):
            update = PRESENT[:place] + bytes([byte]) + PRESENT[place + 1 :]
            try:
                assert encode_awareness(decode_awareness(update)) == update
            except InvalidInput as refused:
                code = refused.code
                if code != "SR-WS-044":
                    raise


@pytest.mark.parametrize("state", ["", "{", "nul", "NaN", "[" * 2_000])
def test_a_state_that_browsers_could_not_parse_is_refused(state):
    with pytest.raises(InvalidInput, match="the awareness update is malformed"):
        decode_awareness(encode_awareness([AwarenessState(1, 1, state)]))


def test_limits_are_named_with_size_and_limit():
    many = [AwarenessState(client, 1, GONE) for client in range(AWARENESS_CLIENTS_MAX + 1)]
    with pytest.raises(LimitExceeded, match="clients, more than 1024") as refused:
        decode_awareness(encode_awareness(many))
    assert refused.value.code == "SR-WS-034"
    with pytest.raises(LimitExceeded, match="an awareness update has") as refused:
        decode_awareness(bytes(AWARENESS_BYTES_MAX + 1))
    assert refused.value.code == "SR-WS-033"
