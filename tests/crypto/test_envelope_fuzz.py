"""Random and mutated envelopes: none opens, none crashes what reads it, and each is refused by a typed error."""

import os
import random

import pytest

from strongroom.crypto import srn1_parts
from strongroom.crypto.encp import RunKeyPair, SealTarget
from strongroom.crypto.encr import seal_encr
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place, open_sealed, seal
from strongroom.crypto.srn1_parts import open_content, seal_content
from strongroom.errors import KeyMissing, RuntimeDecryptionError, Tampered
from strongroom.interop.payloads import RunPayloadKeys, open_payload

NIGHTLY = os.environ.get("STRONGROOM_TEST_SCALE") == "nightly"
ENVELOPES = 1_000_000 if NIGHTLY else 10_000
TYPED = (Tampered, KeyMissing, RuntimeDecryptionError)

KEY = Key(bytes(range(32)))
KEYS = RunPayloadKeys.of(KEY)
TARGET = SealTarget(RunKeyPair(KEY).public)
PLACE = Place("wrun_1", "step_completed", "step_1", "result", 7, False, bytes(16))
PREFIXES = (b"encr", b"encp", b"srn1", b"devl", b"gzip", b"zstd", b"")


def version_1(version):
    if version != 1:
        raise KeyMissing("SR-KEY-002", f"version {version}")
    return KEY


FORMATS = {
    "encr": (lambda text: seal_encr(KEY, text), lambda blob: open_payload(blob, KEYS)),
    "encp": (TARGET.seal, lambda blob: open_payload(blob, KEYS)),
    "srn1": (lambda text: seal(KEY, 1, PLACE, text), lambda blob: open_sealed(version_1, PLACE, blob)),
    "parts": (lambda text: seal_content(KEY, 1, PLACE, text), lambda blob: open_content(version_1, PLACE, blob)),
}


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


@pytest.mark.timeout(3600 if NIGHTLY else 120)
@pytest.mark.parametrize("name", FORMATS)
def test_no_changed_envelope_opens(name, monkeypatch):
    monkeypatch.setattr(srn1_parts, "PART_BYTES_MAX", 64)
    monkeypatch.setattr(srn1_parts, "PART_ENVELOPE_BYTES_MAX", 100)
    dice = random.Random(name)  # noqa: S311 - the same seed must give the same envelopes
    sealed, opened = FORMATS[name]
    whole = [sealed(dice.randbytes(size)) for size in (0, 1, 20, 63, 64, 65, 100, 200, 300)]
    assert [len(opened(blob)) for blob in whole] == [0, 1, 20, 63, 64, 65, 100, 200, 300]
    known, refused, wrong = set(whole), 0, []
    while refused < ENVELOPES:
        blob = dice.choice(MUTATIONS)(dice, dice.choice(whole), whole)
        if blob in known:
            continue
        try:
            opened(blob)
        except TYPED:
            refused += 1
        except Exception as error:
            wrong.append((blob.hex(), repr(error)))
            break
        else:
            wrong.append((blob.hex(), "accepted"))
            break
    assert wrong == []
