"""Updates in both encodings: every fixture byte for byte, every cut, every change of a byte, and bombs."""

import tracemalloc

import pycrdt
import pytest

from strongroom.errors import InvalidInput, LimitExceeded, Refused, StrongroomError
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from strongroom.workspace.yjs.lib0 import write_bytes, write_sint, write_uint
from strongroom.workspace.yjs.limits import CLOCK_MAX, UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import FORMAT, GC, HAS_LEFT, STRING, Struct, Update
from strongroom.workspace.yjs.untrusted import check_untrusted, from_untrusted_v2
from strongroom.workspace.yjs.update_v1 import decode_v1, encode_v1
from strongroom.workspace.yjs.update_v2 import decode_v2
from strongroom.workspace.yjs.update_v2_writer import encode_v2
from tests.fakes import yjs_vectors as vectors

SMALL = ["sync-frames", "equal-ts-tie", "first-activation-current-version"]


def changed(data, values=None):
    """``data`` with one byte changed: to each of ``values``, or by each bit and to what is special."""
    for place, byte in enumerate(data):
        others = values or {byte ^ (1 << bit) for bit in range(8)} | {0, 1, 0x7F, 0x80, 0xFF}
        for other in others:
            if other != byte:
                yield data[:place] + bytes([other]) + data[place + 1 :]


@pytest.mark.parametrize("name", vectors.NAMES)
def test_what_yjs_wrote_is_read_and_written_back_byte_for_byte(name):
    assert encode_v1(decode_v1(vectors.v1(name))) == vectors.v1(name) == vectors.field(name, "updateV1")
    assert encode_v2(decode_v2(vectors.v2(name))) == vectors.v2(name) == vectors.field(name, "updateV2")


def test_both_encodings_become_each_other_byte_for_byte():
    for one, two in vectors.pairs():
        assert v1_to_v2(one) == two
        assert v2_to_v1(two) == one


def test_every_update_in_v2_survives_the_way_through_v1():
    for update in vectors.updates_v2():
        assert v1_to_v2(v2_to_v1(update)) == update


@pytest.mark.parametrize("name", vectors.NAMES)
def test_steps_in_v2_lead_a_library_for_v1_to_the_same_document(name):
    fixture = vectors.FIXTURES[name]
    document = pycrdt.Doc()
    for update in fixture.get("updatesV2", [fixture["updateV2"]]):
        document.apply_update(v2_to_v1(bytes.fromhex(update)))
    assert decode_state_vector(document.get_state()) == decode_state_vector(vectors.field(name, "stateVector"))
    for array, entries in fixture["arrays"].items():
        stored = document.get(array, type=pycrdt.Array).to_py()
        assert [(entry["key"], entry["ts"]) for entry in stored] == [(entry["key"], entry["ts"]) for entry in entries]


def test_an_update_tells_what_it_touches():
    touched = check_untrusted(vectors.v1("workspace-plaintext"))
    assert touched.names == {"table:notes", "table:tags", "kv"}
    assert touched.clients == {4242}
    assert touched.structs == 4
    assert touched.delete_ranges == 1
    assert check_untrusted(b"\0\0").empty


@pytest.mark.parametrize("name", vectors.NAMES)
def test_every_cut_of_an_update_is_refused_as_cut(name):
    for whole, read in ((vectors.v1(name), decode_v1), (vectors.v2(name), decode_v2)):
        for end in range(len(whole)):
            with pytest.raises(StrongroomError) as refused:
                read(whole[:end])
            assert refused.value.code in {"SR-WS-030", "SR-WS-037"}, end
        with pytest.raises(InvalidInput, match="1 bytes stand behind the end"):
            read(whole + b"\0")


@pytest.mark.parametrize("name", vectors.NAMES)
def test_a_changed_byte_is_refused_by_name_or_reads_as_another_update(name):
    values = range(256) if name in SMALL else None
    for update in changed(vectors.v1(name), values):
        try:
            check_untrusted(update)
        except Refused:
            continue
        assert encode_v1(decode_v1(update)) == update, "what is accepted has one spelling"
    for update in changed(vectors.v2(name), values):
        try:
            update_v1, touched = from_untrusted_v2(update)
        except Refused:
            continue
        assert check_untrusted(update_v1, UpdateLimits(bytes_max=len(update_v1))) == touched


def test_v2_where_v1_is_expected_is_refused_by_name():
    for update in vectors.updates_v2():
        with pytest.raises(InvalidInput, match="encoding V2 where V1 is expected") as refused:
            check_untrusted(update)
        assert refused.value.code == "SR-WS-032"


def test_v1_where_v2_is_expected_is_refused():
    for name in vectors.NAMES:
        with pytest.raises(InvalidInput, match="not in encoding V2") as refused:
            v2_to_v1(vectors.v1(name))
        assert refused.value.code == "SR-WS-041"


def columns(*, rest, info=b"", length=b"", texts=b"\0", client=b"", key_clock=b"", left_clock=b"", parent_info=b""):
    """A V2 update of hand-made columns."""
    out = bytearray(b"\0")
    for column in (key_clock, client, left_clock, b"", info, texts, parent_info, b"", length):
        write_bytes(out, column)
    return bytes(out) + rest


def numbers(*values):
    out = bytearray()
    for value in values:
        write_uint(out, value)
    return bytes(out)


def test_a_few_bytes_of_v2_cannot_stand_for_any_number_of_structs():
    # A run without end of GC structs, each of length 1, as many as a number can say.
    length = b"\x41" + numbers(2**40)
    bomb = columns(rest=numbers(1, 2**40, 0), client=b"\x01", info=bytes([GC]), length=length)
    assert len(bomb) < 50
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="structs, more than 10000") as refused:
            v2_to_v1(bomb, UpdateLimits(structs_max=10_000))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert refused.value.code == "SR-WS-034"


def test_a_few_bytes_of_v2_cannot_stand_for_any_number_of_json_values():
    # One old JSON content of empty texts, which take no bytes.
    rest = numbers(1, 1, 0)
    length = b"\x80" + numbers(2**30 >> 6)
    texts = b"\x00" + b"\x01" + b"\x01" + b"\x40" + numbers(2**40)
    bomb = columns(
        rest=rest, client=b"\x01", info=b"\x02", length=length, texts=b"\x01a" + texts[2:], parent_info=b"\x01"
    )
    with pytest.raises(LimitExceeded, match="JSON values"):
        v2_to_v1(bomb)


def test_a_long_key_that_is_pointed_back_at_cannot_fill_the_memory():
    # Formats whose key is the first one each time: V1 writes it out again and again.
    key, count = "k" * 100_000, 1_000
    texts = bytearray()
    write_bytes(texts, key.encode())
    write_sint(texts, len(key))
    update = columns(
        key_clock=b"\x01" + numbers(count - 2),
        client=b"\x41" + numbers(count - 1),
        left_clock=b"\x01" + numbers(count - 2),
        info=bytes([HAS_LEFT | FORMAT]),
        texts=bytes(texts),
        rest=numbers(1, count, 1) + b"\x7e" * count + b"\0",
    )
    assert len(update) < 110_000
    with pytest.raises(LimitExceeded, match="in encoding V1 has") as refused:
        v2_to_v1(update, UpdateLimits(v1_bytes_max=1_000_000))
    assert refused.value.details["size"] < 1_200_000
    assert len(v2_to_v1(update, UpdateLimits(v1_bytes_max=200_000_000))) > 100_000_000


LIMITS = {
    "the update has": (UpdateLimits(bytes_max=10), "SR-WS-033"),
    "structs": (UpdateLimits(structs_max=3), "SR-WS-034"),
    "clients": (UpdateLimits(clients_max=0), "SR-WS-034"),
    "top-level types": (UpdateLimits(names_max=2), "SR-WS-034"),
    "deleted ranges": (UpdateLimits(delete_ranges_max=0), "SR-WS-034"),
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_named_with_size_and_limit(what):
    limits, code = LIMITS[what]
    with pytest.raises(LimitExceeded, match=what) as refused:
        check_untrusted(vectors.v1("workspace-plaintext"), limits)
    assert refused.value.code == code
    assert refused.value.details["size"] > refused.value.details["limit"]


GAP = Struct(GC, 1, None, None, None, None, None)
BAD = {
    "SR-WS-035 clock": encode_v1(Update([(1, CLOCK_MAX, [GAP])])),
    "SR-WS-035 client": bytes([1, 1]) + b"\xff" * 7 + b"\x7f" + bytes([0, 0, 1, 0]),
    "SR-WS-036 kind": bytes([1, 1, 1, 0, 11, 0, 0]),
    "SR-WS-036 flags on a gap": bytes([1, 1, 1, 0, 0x80, 1, 0]),
    "SR-WS-036 parent": bytes([1, 1, 1, 0, 8, 2, 0]),
    "SR-WS-036 tag": bytes([1, 1, 1, 0, 8, 1, 1, 97, 1, 115, 0]),
    "SR-WS-036 shared type": bytes([1, 1, 1, 0, 7, 1, 1, 97, 7, 0]),
    "SR-WS-037": bytes([1, 1, 1, 0, 8, 1, 1, 0xFF, 1, 126, 0]),
    "SR-WS-037 lone surrogate": bytes([1, 1, 1, 0, 8, 1, 3, 0xED, 0xA0, 0x80, 1, 126, 0]),
    "SR-WS-038": bytes([1, 1, 1, 0, 2, 1, 1, 97, 1, 1, 123, 0]),
    "SR-WS-039": bytes([1, 1, 1, 0, 9, 1, 1, 97, 1, 103, 126, 0]),
    "SR-WS-040 no length": bytes([1, 1, 1, 0, 0, 0, 0]),
    "SR-WS-040 no structs": bytes([1, 0, 1, 0, 0]),
    "SR-WS-040 client twice": bytes([2, *([1, 1, 0, 8, 1, 1, 97, 1, 126] * 2), 0]),
    "SR-WS-040 empty range": bytes([0, 1, 1, 1, 5, 0]),
    "SR-WS-040 no text": encode_v1(Update([(1, 0, [Struct(STRING, 0, None, None, "a", None, "")])])),
    "SR-WS-045": bytes([0x81, 0x00, 1, 1, 0, 0, 1, 0]),
    "SR-WS-046 text": bytes([1, 1, 1, 0, 4, 1, 1, 97, 1, 98, 0]),
    "SR-WS-046 map": bytes([1, 1, 1, 0, 7, 1, 1, 97, 1, 0]),
    "SR-WS-046 within another": bytes([1, 1, 1, 0, 8, 0, 1, 0, 1, 126, 0]),
    "SR-WS-048": bytes([1, 1, 1, 0, 0, 5, 0]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_library_writes_is_refused_by_name(case):
    with pytest.raises(Refused) as refused:
        check_untrusted(BAD[case])
    assert refused.value.code == case[:9]


def test_texts_may_be_let_in_but_not_what_one_library_misreads():
    limits = UpdateLimits(values_only=False)
    assert check_untrusted(BAD["SR-WS-046 text"], limits).names == {"a"}
    assert check_untrusted(BAD["SR-WS-046 map"], limits).shared_types == 1
    with pytest.raises(InvalidInput, match="5 is no shared type that every library reads"):
        check_untrusted(bytes([1, 1, 1, 0, 7, 1, 1, 97, 5, 1, 104, 0]), limits)


def test_an_error_shows_nothing_of_what_was_in_the_update():
    secret = b"posts"
    said = []
    for update in changed(vectors.v1("plaintext-lww")):
        try:
            check_untrusted(update)
        except Refused as refused:
            said.append(f"{refused} {refused.why} {refused.fix} {refused.details}")
    assert secret in vectors.v1("plaintext-lww")
    assert said
    assert not [text for text in said if secret.decode() in text]
