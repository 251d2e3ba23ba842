"""Workspace blobs byte for byte: what the original wrote, and our own format that opens in one place only."""

import dataclasses
import hashlib
import itertools
import json
import os
from pathlib import Path

import nacl.bindings
import pytest

from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import (
    ValuePlace,
    get_format_version,
    get_key_version,
    is_encrypted_blob,
    open_placed,
    open_value,
    seal_placed,
    seal_value,
)
from strongroom.crypto.workspace_text import text_bytes, text_of
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.workspace_keys import WorkspaceKeys

FOLDER = Path(__file__).parent.parent / "vectors"
VECTORS = json.loads((FOLDER / "epicenter.json").read_text())
BOUND = json.loads((FOLDER / "workspace-format.json").read_text())["cases"]
KEY = Key(bytes(range(32)))
PLACE = ValuePlace("alice", "epicenter-fuji", "table:tabs", "tab-1", 1_764_000_000_000)


@pytest.fixture
def nonce(monkeypatch):
    def fix(given):
        monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex(given)[:size])

    return fix


def aad_of(case):
    return bytes.fromhex(case["aad"] or "")


def test_sealing_text_with_the_nonce_of_the_original_gives_its_bytes(nonce):
    for case in VECTORS["encryptValue"]:
        key, aad, plaintext = Key(bytes.fromhex(case["key"])), aad_of(case), text_bytes(case["plaintext"])
        assert plaintext.hex() == case["plaintextUtf8"]
        if case["entryKey"] is not None:
            assert text_bytes(case["entryKey"]) == aad
        nonce(case["nonce"])
        blob = seal_value(key, case["keyVersion"], plaintext, aad)
        assert blob.hex() == case["blob"]
        assert text_of(open_value(key, blob, aad)) == case["decrypted"]
        assert is_encrypted_blob(blob) is case["isEncryptedBlob"]
        assert get_key_version(blob) == case["getKeyVersion"]


def test_a_large_value_gives_the_bytes_of_the_original(nonce):
    case = VECTORS["encryptValueLarge"]
    plaintext = bytes(32 + ((i * 7 + (i >> 8)) % 95) for i in range(1 << 20))
    assert hashlib.sha256(plaintext).hexdigest() == case["plaintextSha256"]
    nonce(case["nonce"])
    key = Key(bytes.fromhex(case["key"]))
    blob = seal_value(key, case["keyVersion"], plaintext, case["entryKey"].encode())
    assert len(blob) == case["blobLength"]
    assert (blob[:64].hex(), blob[-32:].hex()) == (case["blobHead64"], case["blobTail32"])
    assert hashlib.sha256(blob).hexdigest() == case["blobSha256"]
    assert open_value(key, blob, case["entryKey"].encode()) == plaintext


def test_the_highest_version_and_empty_associated_data_are_those_of_the_original(nonce):
    case = VECTORS["encryptValueV255"]
    nonce(case["nonce"])
    assert seal_value(Key(bytes.fromhex(case["key"])), 255, b"x", b"").hex() == case["blob"]
    same = VECTORS["emptyAadEqualsNoAad"]
    assert same["noAad"] == same["emptyAad"]


@pytest.mark.parametrize("case", VECTORS["encryptValueVersionErrors"], ids=lambda case: case["keyVersion"])
def test_a_refused_version_says_what_the_original_said(case):
    with pytest.raises(InvalidInput) as caught:
        seal_value(KEY, float(case["keyVersion"]), b"", b"")
    assert caught.value.what == case["error"]


@pytest.mark.parametrize("case", VECTORS["keyLengthErrors"], ids=lambda case: str(case["keyLength"]))
def test_a_key_of_another_length_is_refused_before_anything_is_sealed_or_opened(case):
    with pytest.raises(InvalidInput) as caught:
        Key(bytes(case["keyLength"]))
    assert caught.value.what == case["encrypt"]["error"] == case["decrypt"]["error"]


@pytest.mark.parametrize("case", VECTORS["encryptBytes"], ids=lambda case: case["name"])
def test_rows_of_the_local_store_are_the_same_blob(case, nonce):
    nonce(case["nonce"])
    keys = WorkspaceKeys({case["keyVersion"]: Key(bytes.fromhex(case["key"]))}, case["keyVersion"])
    assert case["aadText"].encode() == aad_of(case)
    assert keys.seal(bytes.fromhex(case["plaintext"]), aad_of(case)).hex() == case["blob"]
    assert keys.open(bytes.fromhex(case["blob"]), aad_of(case)).hex() == case["plaintext"]


@pytest.mark.parametrize("case", VECTORS["decryptValueNegative"], ids=lambda case: case["name"])
def test_a_changed_blob_is_refused_as_the_original_refused_it(case):
    key, blob = Key(bytes.fromhex(case["key"])), bytes.fromhex(case["blob"])
    assert is_encrypted_blob(blob) is case["isEncryptedBlob"]
    if case["result"]["ok"]:
        assert text_of(open_value(key, blob, aad_of(case))) == case["result"]["value"]
        return
    with pytest.raises((InvalidInput, Tampered)) as caught:
        open_value(key, blob, aad_of(case))
    said = case["result"]["error"]
    if said.startswith("Unknown encryption format"):
        assert (caught.value.code, caught.value.what) == ("SR-KEY-011", said)
    else:
        assert isinstance(caught.value, Tampered), said


@pytest.mark.parametrize("case", VECTORS["decryptBytesNegative"], ids=lambda case: case["name"])
def test_a_blob_of_a_version_that_is_not_there_says_what_the_original_said(case):
    keys = {entry["version"]: Key(bytes.fromhex(entry["key"])) for entry in case["keyring"]}
    with pytest.raises(KeyMissing) as caught:
        WorkspaceKeys(keys, max(keys)).open(bytes.fromhex(case["blob"]), aad_of(case))
    assert caught.value.what == case["result"]["error"]


@pytest.mark.parametrize("case", VECTORS["isEncryptedBlob"], ids=lambda case: case["name"])
def test_a_blob_is_recognised_as_the_original_did_and_also_in_our_format(case):
    value = {"string": "x" * 42, "null": None}.get(case["name"])
    if case["valueHex"] is not None:
        value = bytes.fromhex(case["valueHex"])
    ours = value is not None and value[:1] == b"\x02" and len(value) >= 42
    assert is_encrypted_blob(value) is (case["expected"] or ours)


# Our own format.


def independent(case):
    """The blob of ``case``, straight from docs/workspace-format.md, with the other binding of the library."""
    L = lambda data: len(data).to_bytes(8, "big") + data  # noqa: E731, N806 - the document's own letter
    place = case["place"]
    names = [place[name].encode() for name in ("owner_id", "guid", "array", "key")]
    header = bytes([2, case["key_version"]])
    aad = L(header[:1]) + L(header[1:]) + b"".join(map(L, names)) + L(place["ts_ms"].to_bytes(8, "big"))
    seal = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt
    nonce = bytes.fromhex(case["nonce"])
    return header + nonce + seal(bytes.fromhex(case["plaintext"]), aad, nonce, bytes.fromhex(case["key"]))


@pytest.mark.parametrize("case", BOUND, ids=lambda case: case["name"])
def test_a_golden_value_of_format_2_is_what_the_document_says(case, nonce):
    nonce(case["nonce"])
    key, place = Key(bytes.fromhex(case["key"])), ValuePlace(**case["place"])
    blob = seal_placed(key, case["key_version"], bytes.fromhex(case["plaintext"]), place)
    assert blob.hex() == case["blob"] == independent(case).hex()
    assert open_placed(key, blob, place).hex() == case["plaintext"]
    assert (get_format_version(blob), get_key_version(blob)) == (2, case["key_version"])


@pytest.mark.parametrize("size", [0, 1, 15, 64, 2_560, 2_561, 70_000])
def test_what_was_sealed_opens_and_a_blob_has_42_bytes_more(size):
    blob = seal_placed(KEY, 3, b"x" * size, PLACE)
    assert len(blob) == size + 42
    assert is_encrypted_blob(blob)
    assert open_placed(KEY, blob, PLACE) == b"x" * size


BOTH = {
    1: (seal_value(KEY, 5, b"a value", b"tab-1"), lambda blob: open_value(KEY, blob, b"tab-1")),
    2: (seal_placed(KEY, 5, b"a value", PLACE), lambda blob: open_placed(KEY, blob, PLACE)),
}
LARGE = {
    1: (seal_value(KEY, 5, bytes(3_000), b"tab-1"), lambda blob: open_value(KEY, blob, b"tab-1")),
    2: (seal_placed(KEY, 5, bytes(3_000), PLACE), lambda blob: open_placed(KEY, blob, PLACE)),
}


@pytest.mark.parametrize(("blobs", "version"), list(itertools.product((BOTH, LARGE), (1, 2))))
def test_a_blob_cut_at_any_length_is_refused(blobs, version):
    blob, opened = blobs[version]
    for length in range(len(blob)):
        with pytest.raises(Tampered if length else InvalidInput):
            opened(blob[:length])
    with pytest.raises(Tampered):
        opened(blob + b"\x00")


@pytest.mark.parametrize(("version", "accepted"), [(1, set(range(8, 16))), (2, set())], ids=["format 1", "format 2"])
def test_no_flipped_bit_is_accepted_but_in_the_key_version_of_format_1(version, accepted):
    for blob, opened in (BOTH[version], LARGE[version]):
        outcomes = {bit: outcome(opened, blob, bit) for bit in range(len(blob) * 8)}
        assert {bit for bit, refused in outcomes.items() if refused is None} == accepted
        # The first byte says which format it is; every other bit is a matter of authentication.
        assert {outcomes.pop(bit) for bit in range(8)} == {InvalidInput}
        assert {refused for bit, refused in outcomes.items() if bit not in accepted} == {Tampered}


def outcome(opened, blob, bit):
    changed = bytearray(blob)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        opened(bytes(changed))
    except (Tampered, InvalidInput) as refused:
        return type(refused)
    return None


OTHERS = {
    "owner": {"owner_id": "bob"},
    "guid": {"guid": "epicenter-fuji2"},
    "array": {"array": "table:notes"},
    "key": {"key": "tab-2"},
    "time before": {"ts_ms": PLACE.ts_ms - 1},
    "time after": {"ts_ms": PLACE.ts_ms + 1},
    "border between guid and array": {"guid": "epicenter-fujit", "array": "able:tabs"},
    "border between owner and guid": {"owner_id": "alicee", "guid": "picenter-fuji"},
    "border between array and key": {"array": "table:tabst", "key": "ab-1"},
    "names exchanged": {"array": "tab-1", "key": "table:tabs"},
}


@pytest.mark.parametrize("size", [7, 5_000], ids=["small", "large"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_value_moved_to_another_place_is_refused(other, size):
    blob = seal_placed(KEY, 5, b"v" * size, PLACE)
    elsewhere = dataclasses.replace(PLACE, **other)
    with pytest.raises(Tampered, match="failed authentication"):
        open_placed(KEY, blob, elsewhere)
    assert open_placed(KEY, seal_placed(KEY, 5, b"v" * size, elsewhere), elsewhere) == b"v" * size


@pytest.mark.parametrize("version", [0, 1, 4, 6, 255])
def test_a_value_under_another_key_version_is_refused_even_with_the_same_key(version):
    blob = seal_placed(KEY, 5, b"value", PLACE)
    with pytest.raises(Tampered, match="failed authentication"):
        open_placed(KEY, blob[:1] + bytes([version]) + blob[2:], PLACE)


def test_a_blob_of_one_format_never_opens_as_the_other():
    plain, bound = BOTH[1][0], BOTH[2][0]
    for blob, opened, found in ((plain, BOTH[2][1], 1), (bound, BOTH[1][1], 2)):
        with pytest.raises(InvalidInput, match=f"Unknown encryption format version: {found}\\."):
            opened(blob)
    with pytest.raises(Tampered):
        BOTH[2][1](b"\x02" + plain[1:])
    with pytest.raises(Tampered):
        BOTH[1][1](b"\x01" + bound[1:])


@pytest.mark.parametrize("ts_ms", [-1, 2**64, 1.5, 1.0, True, None], ids=repr)
def test_a_time_that_is_no_u64_is_refused_when_sealing_and_opens_nothing(ts_ms):
    place = dataclasses.replace(PLACE, ts_ms=ts_ms)
    with pytest.raises(InvalidInput, match="a time of an entry"):
        seal_placed(KEY, 5, b"value", place)
    with pytest.raises(Tampered):
        open_placed(KEY, BOTH[2][0], place)


def test_a_name_that_utf8_cannot_carry_is_refused_when_sealing_and_opens_nothing():
    for field in ("owner_id", "guid", "array", "key"):
        place = dataclasses.replace(PLACE, **{field: "\ud800"})
        with pytest.raises(InvalidInput, match="a name cannot be sealed"):
            seal_placed(KEY, 5, b"value", place)
        with pytest.raises(Tampered):
            open_placed(KEY, BOTH[2][0], place)


def test_what_a_header_says_is_read_without_opening():
    assert get_key_version(b"\x01\x07") == 7
    for short in (b"", b"\x01"):
        with pytest.raises(Tampered):
            get_key_version(short)
    for unknown in (b"", b"\x00", b"\x03"):
        with pytest.raises(InvalidInput, match="Unknown encryption format version"):
            get_format_version(unknown)


def test_the_example_of_the_document_is_the_associated_data_of_the_first_golden_value():
    page = (Path(__file__).resolve().parents[2] / "docs" / "workspace-format.md").read_text()
    example = next(block for block in page.split("```") if block.startswith("\n00000000"))
    assert bytes.fromhex(example).hex() == BOUND[0]["aad"]
