"""Updates at random and with malice: refused by name or harmless to the library, in bounded time and memory."""

import random
import tracemalloc
from dataclasses import replace

import pycrdt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import Refused
from strongroom.workspace.yjs.bulk import insert_any_update
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from strongroom.workspace.yjs.limits import CLOCK_MAX, FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.structs import (
    ANY,
    BINARY,
    DELETED,
    EMBED,
    FORMAT,
    GC,
    HAS_LEFT,
    HAS_PARENT_KEY,
    HAS_RIGHT,
    SKIP,
    STRING,
    TYPE,
    AnyValues,
    Mark,
    SharedType,
    Struct,
    Update,
)
from strongroom.workspace.yjs.untrusted import check_untrusted
from strongroom.workspace.yjs.update_v1 import decode_v1, encode_v1
from strongroom.workspace.yjs.update_v2 import decode_v2
from strongroom.workspace.yjs.update_v2_writer import encode_v2
from tests.fakes import yjs_vectors as vectors

CASES = 10_000
ids = st.tuples(st.integers(0, 2**53 - 1), st.integers(0, CLOCK_MAX))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def items(draw):
    """One struct of any kind that both encodings carry."""
    kind = draw(st.sampled_from([GC, SKIP, DELETED, BINARY, STRING, EMBED, FORMAT, TYPE, ANY]))
    length = draw(st.integers(1, 2**20))
    if kind in {GC, SKIP}:
        return Struct(kind, length, None, None, None, None, None)
    left, right = draw(st.none() | ids), draw(st.none() | ids)
    flags = (HAS_LEFT if left else 0) | (HAS_RIGHT if right else 0)
    parent = parent_key = None
    if not flags:
        parent = draw(texts | ids)
        parent_key = draw(st.none() | texts)
        flags = HAS_PARENT_KEY if parent_key is not None else 0
    content = None
    if kind != DELETED:
        content = draw(CONTENTS[kind])
        length = content.size if kind == ANY else len(content.encode("utf-16-le")) // 2 if kind == STRING else 1
    return Struct(kind | flags, length, left, right, parent, parent_key, content)


CONTENTS = {
    BINARY: st.binary(max_size=20),
    STRING: texts.filter(bool),
    EMBED: st.just(Mark("", '{"a":[1,null]}', None)),
    FORMAT: st.builds(Mark, texts, st.sampled_from(["null", "true", '"x"']), st.none()),
    TYPE: st.sampled_from([SharedType(0, None), SharedType(1, None), SharedType(3, "p"), SharedType(6, None)]),
    ANY: st.sampled_from([AnyValues(1, b"\x7e"), AnyValues(3, b"\x78\x79\x77\x01a")]),
}
blocks = st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**20), st.lists(items(), min_size=1, max_size=6))


@st.composite
def deletes(draw):
    found, end = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 1000)), max_size=4)):
        found.append((end + gap, length))
        end += gap + length
    return draw(st.integers(0, 2**53 - 1)), found


@given(
    st.lists(blocks, max_size=4, unique_by=lambda block: block[0]),
    st.lists(deletes(), max_size=3, unique_by=lambda client: client[0]),
)
def test_every_update_survives_both_encodings(structs, ranges):
    update = Update(structs, ranges)
    one = encode_v1(update)
    assert decode_v1(one) == update
    two = v1_to_v2(one)
    assert encode_v2(decode_v2(two)) == two
    assert v2_to_v1(two) == one


def mutated(die, data):
    """``data`` with a few bytes changed, left out or put in."""
    out = bytearray(data)
    for _ in range(die.choice((1, 1, 1, 2, 3))):
        place = die.randrange(len(out)) if out else 0
        what = die.randrange(5)
        if what == 0 or not out:
            out.insert(place, die.randrange(256))
        elif what == 1:
            del out[place]
        elif what == 2:
            out[place] ^= 1 << die.randrange(8)
        else:
            out[place] = die.choice((0, 1, 0x7F, 0x80, 0xFF, die.randrange(256)))
    return bytes(out)


def test_ten_thousand_damaged_updates_are_refused_by_name_or_harmless_to_the_library():
    die = random.Random(20261122)  # noqa: S311 - repeatable, and no secret
    good = [vectors.v1(name) for name in vectors.NAMES]
    codes, applied = {}, 0
    for _ in range(CASES):
        update = mutated(die, die.choice(good))
        try:
            check_untrusted(update)
        except Refused as refused:
            codes[refused.code] = codes.get(refused.code, 0) + 1
            continue
        # A panic of the library is no Exception; it would end the test.
        document = pycrdt.Doc()
        document.get("kv", type=pycrdt.Array)
        document.apply_update(die.choice(good))
        document.apply_update(update)
        check_untrusted(document.get_update())
        applied += 1
    assert applied > CASES // 20
    assert codes.keys() >= {"SR-WS-030", "SR-WS-031", "SR-WS-035", "SR-WS-036", "SR-WS-037", "SR-WS-040", "SR-WS-045"}


def test_ten_thousand_damaged_updates_in_v2_are_refused_by_name_or_read():
    die = random.Random(20261123)  # noqa: S311 - repeatable, and no secret
    good = vectors.updates_v2()
    limits = replace(FRAME_LIMITS, structs_max=1_000, v1_bytes_max=100_000)
    read = 0
    for _ in range(CASES):
        try:
            update_v1 = v2_to_v1(mutated(die, die.choice(good)), limits)
        except Refused:
            continue
        assert encode_v1(decode_v1(update_v1)) == update_v1
        read += 1
    assert 0 < read < CASES


@given(st.binary(max_size=200))
def test_bytes_that_are_no_update_are_refused_by_name(data):
    for read in (check_untrusted, v2_to_v1):
        try:
            read(data)
        except Refused as refused:
            assert refused.code.startswith("SR-WS-0")  # noqa: PT017 - most are refused, and a few are updates


def many_items(count):
    """As many items as values, each behind the last, as a library writes single pushes."""
    structs = [
        Struct(ANY | HAS_LEFT, 1, (7, n), None, None, None, AnyValues(1, b"\x76\x01\x03keyw\x01a"))
        for n in range(count)
    ]
    return encode_v1(Update([(7, 1, structs)]))


@pytest.mark.parametrize("shape", ["one item", "many items", "deep values", "long texts"])
def test_checking_takes_memory_of_the_order_of_the_update(shape):
    update = {
        "one item": lambda: insert_any_update(7, 0, "kv", None, None, [{"key": "k", "val": bytes(20)}] * 20_000),
        "many items": lambda: many_items(20_000),
        "deep values": lambda: bytes([1, 1, 7, 0, 8, 1, 1, 97, 1]) + b"\x75\x01" * 500_000 + b"\x7e\0",
        "long texts": lambda: insert_any_update(7, 0, "kv", None, None, ["ü" * 500_000]),
    }[shape]()
    tracemalloc.start()
    try:
        try:
            check_untrusted(update)
        except Refused as refused:
            assert refused.code == "SR-WS-034"  # noqa: PT017 - one of the shapes is too deep
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(update) + 100_000


def test_counts_that_are_only_claimed_cost_nothing():
    claims = [
        bytes([1]) + b"\xff\xff\x3f" + bytes([1, 0]),
        bytes([1, 1, 1, 0, 8, 1, 1, 97]) + b"\xff\xff\xff\xff\x07",
        bytes([1, 1, 1, 0, 8, 1, 1, 97, 1, 0x75]) + b"\xff\xff\xff\xff\x07",
        bytes([1, 1, 1, 0, 3, 1, 1, 97]) + b"\xff\xff\xff\xff\x07",
        bytes([1, 1, 1, 0, 8, 1]) + b"\xff\xff\xff\xff\x07",
        bytes([0, 1, 1]) + b"\xff\xff\x3f",
    ]
    tracemalloc.start()
    try:
        for claim in claims:
            with pytest.raises(Refused):
                check_untrusted(claim)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_hundred_thousand_entries_are_read_whole():
    values = [{"key": f"k{n}", "val": bytes(40), "ts": 1767227000000 + n} for n in range(100_000)]
    update = insert_any_update(7, 0, "table:x", None, None, values)
    touched = check_untrusted(update, UpdateLimits(bytes_max=len(update)))
    assert (touched.structs, touched.names) == (1, {"table:x"})
    assert check_untrusted(many_items(100_000), UpdateLimits()).structs == 100_000
