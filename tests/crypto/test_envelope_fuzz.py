"""Random and mutated envelopes: none opens, none crashes what reads it, and each is refused by a typed error."""

import random
import time
import tracemalloc

import pytest

from strongroom.crypto import srn1_parts
from strongroom.crypto.encp import RunKeyPair, SealTarget
from strongroom.crypto.encr import seal_encr
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place, open_sealed, seal
from strongroom.crypto.srn1_parts import open_content, seal_content
from strongroom.crypto.workspace_blob import (
    ValuePlace,
    get_key_version,
    is_encrypted_blob,
    open_placed,
    open_value,
    seal_placed,
    seal_value,
)
from strongroom.errors import InvalidInput, KeyMissing, RuntimeDecryptionError, Tampered
from strongroom.interop.payloads import RunPayloadKeys, open_payload
from tests.faults.figures import record
from tests.faults.scale import much

ENVELOPES = much(25_000, 17_000_000)
TYPED = (Tampered, KeyMissing, RuntimeDecryptionError)
FLIPPED_WHOLE = much(1, 1000)
"""Envelopes of which each bit is flipped."""
CUT_BYTES_MAX = 200
TIMED_EVERY = 16
P99_US_MAX = 100
ALLOCATED_MAX = 2.0
"""Times the bytes that came in."""
ALLOCATED_BESIDES_BYTES = 16 * 1024
"""For the error with its text and its trace, whatever came in."""

KEY = Key(bytes(range(32)))
KEYS = RunPayloadKeys.of(KEY)
TARGET = SealTarget(RunKeyPair(KEY).public)
PLACE = Place("wrun_1", "step_completed", "step_1", "result", 7, False, bytes(16))
PREFIXES = (b"encr", b"encp", b"srn1", b"devl", b"gzip", b"zstd", b"", b"\x01\x01", b"\x02\x01")


def version_1(version):
    if version != 1:
        raise KeyMissing("SR-KEY-002", f"version {version}")
    return KEY


VALUE_PLACE = ValuePlace("alice", "epicenter-fuji", "table:tabs", "tab-1", 1_764_000_000_000)


def value_of_version_1(blob):
    """As a workspace reads: the version says which key it takes, and format 1 does not vouch for it."""
    if not is_encrypted_blob(blob):
        raise InvalidInput("SR-WS-001", "no value")
    version_1(get_key_version(blob))
    return open_value(KEY, blob, b"tab-1")


def placed_of_version_1(blob):
    if not is_encrypted_blob(blob):
        raise InvalidInput("SR-WS-001", "no value")
    version_1(get_key_version(blob))
    return open_placed(KEY, blob, VALUE_PLACE)


FORMATS = {
    "encr": (lambda text: seal_encr(KEY, text), lambda blob: open_payload(blob, KEYS)),
    "encp": (TARGET.seal, lambda blob: open_payload(blob, KEYS)),
    "srn1": (lambda text: seal(KEY, 1, PLACE, text), lambda blob: open_sealed(version_1, PLACE, blob)),
    "parts": (lambda text: seal_content(KEY, 1, PLACE, text), lambda blob: open_content(version_1, PLACE, blob)),
    "value": (lambda text: seal_value(KEY, 1, text, b"tab-1"), value_of_version_1),
    "placed": (lambda text: seal_placed(KEY, 1, text, VALUE_PLACE), placed_of_version_1),
}
TYPED_OF = {"value": (Tampered, KeyMissing, InvalidInput), "placed": (Tampered, KeyMissing, InvalidInput)}


def flipped(dice, blob, _others):
    changed = bytearray(blob)
    for _ in range(dice.choice([1, 1, 1, 2, 30])):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice, blob, _others):
    start = dice.choice([0, 0, 0, dice.randrange(len(blob))])
    return blob[start : dice.randrange(len(blob))]


def grown(dice, blob, _others):
    at = dice.randrange(len(blob) + 1)
    return blob[:at] + dice.randbytes(dice.choice([1, 2, 16, 100])) + blob[at:]


def spliced(dice, blob, others):
    other, at = dice.choice(others), dice.randrange(len(blob))
    return blob[:at] + other[dice.choice([at, dice.randrange(len(other))]) :]


def renamed(dice, blob, _others):
    return dice.choice(PREFIXES) + blob[dice.choice([4, 4, 8]) :]


def shuffled(dice, blob, _others):
    size = dice.choice([16, 36, 100])
    pieces = [blob[at : at + size] for at in range(0, len(blob), size)]
    dice.shuffle(pieces)
    return b"".join(pieces)


def invented(dice, blob, _others):
    return dice.choice(PREFIXES) + dice.randbytes(dice.choice([0, 3, 27, 28, 32, 59, 60, 64, 300]))


MUTATIONS = (flipped, flipped, cut, grown, spliced, renamed, shuffled, invented)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FORMATS)
def test_no_changed_envelope_opens(name, monkeypatch):
    monkeypatch.setattr(srn1_parts, "PART_BYTES_MAX", 64)
    monkeypatch.setattr(srn1_parts, "PART_ENVELOPE_BYTES_MAX", 100)
    dice = random.Random(name)  # noqa: S311 - the same seed must give the same envelopes
    sealed, opened = FORMATS[name]
    whole = [sealed(dice.randbytes(size)) for size in (0, 1, 20, 63, 64, 65, 100, 200, 300)]
    assert [len(opened(blob)) for blob in whole] == [0, 1, 20, 63, 64, 65, 100, 200, 300]
    known, refused, wrong, taken_us, began_s = set(whole), 0, [], [], time.monotonic()
    for blob in changed(dice, whole, sealed):
        if blob in known:
            continue
        before_ns = time.perf_counter_ns()
        said = refusal(opened, blob, TYPED_OF.get(name, TYPED))
        if refused % TIMED_EVERY == 0:
            taken_us.append((time.perf_counter_ns() - before_ns) / 1000)
        if said:
            wrong.append((blob.hex(), said))
            break
        refused += 1
    what = f"{refused} mutated envelopes {name}, {refused / (time.monotonic() - began_s):.0f} a second"
    measured = f"{len(wrong)} accepted or refused otherwise"
    record("K2", what, demanded="0 crashes, 0 accepted, 3 typed errors", measured=measured, met=not wrong)
    p99_us = sorted(taken_us)[len(taken_us) * 99 // 100]
    what, demanded = f"refusing a mutated envelope {name}, p99", f"<= {P99_US_MAX} us"
    record("K2", what, demanded=demanded, measured=f"{p99_us:.0f} us", met=p99_us <= P99_US_MAX)
    assert wrong == []


def changed(dice, whole, sealed):
    """``ENVELOPES`` of them: cut at each length, with each bit flipped, and then by chance."""
    yield from (blob[:length] for blob in whole for length in range(min(len(blob), CUT_BYTES_MAX + 1)))
    for _ in range(FLIPPED_WHOLE):
        blob = sealed(dice.randbytes(dice.randrange(100)))
        yield from (flip(blob, bit) for bit in range(len(blob) * 8))
    for _ in range(ENVELOPES):
        yield dice.choice(MUTATIONS)(dice, dice.choice(whole), whole)


def flip(blob, bit):
    made = bytearray(blob)
    made[bit // 8] ^= 1 << bit % 8
    return bytes(made)


def refusal(opened, blob, typed):
    """Empty when it was refused by a typed error."""
    try:
        opened(blob)
    except typed:
        return ""
    except Exception as error:
        return repr(error)
    return "accepted"


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("name", FORMATS)
def test_what_does_not_open_takes_no_more_memory_than_twice_itself(name, size):
    sealed, opened = FORMATS[name]
    blob = flip(sealed(bytes(size)), (size // 2) * 8)
    assert refusal(opened, blob, TYPED_OF.get(name, TYPED)) == ""
    tracemalloc.start()
    refusal(opened, blob, TYPED_OF.get(name, TYPED))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    times = max(0, peak_bytes - ALLOCATED_BESIDES_BYTES) / len(blob)
    what = f"memory to refuse an envelope {name} of {size} bytes"
    record(
        "K2", what, demanded=f"<= {ALLOCATED_MAX:.0f} times", measured=f"{times:.2f} times", met=times <= ALLOCATED_MAX
    )
    assert times <= ALLOCATED_MAX
