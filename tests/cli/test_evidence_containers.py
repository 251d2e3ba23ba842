"""Evidence in containers of others: each is read, and every cut and flip of one is either read or unknown."""

import base64
import json
import struct

import pytest

from strongroom.cli.evidence_containers import JSON_BYTES_MAX, json_pieces, registers_of, unwrapped
from strongroom.cli.evidence_kinds import recognise
from tests.fakes.pki_nitro import document
from tests.fakes.pki_software import authority

MESSAGE = b"\xffTCG" + bytes(100)
PCRS = [bytes([number]) * 32 for number in range(24)]
HEXED = {
    "message": MESSAGE.hex(),
    "signature": (b"s" * 256).hex(),
    "pcrs": [each.hex() for each in PCRS],
}
TPM_SIGNATURE = struct.pack(">HHH", 0x14, 0x0B, 256) + b"s" * 256
VCEK = authority().certificate
CONTAINERS = {
    "quote": HEXED,
    "azure": {
        "version": 1,
        "hcl_report": base64.urlsafe_b64encode(b"HCLA" + b"\xff" * 40).decode().rstrip("="),
        "vcek": base64.urlsafe_b64encode(VCEK).decode().rstrip("="),
        "tpm_quote": HEXED,
    },
    "numbers": {
        "report": list(b"HCLA"),
        "vcek": "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(VCEK).decode() + "-----END CERTIFICATE-----\n",
        "quote": {"message": list(MESSAGE), "signature": list(b"s" * 256), "pcrs": [list(each) for each in PCRS]},
    },
    "intel": {"quote": "04" * 40, "event_log": ""},
    "collateral": {"tcb_info": "{}", "qe_identity": "{}", "pck_crl": "00"},
}
REGISTERS = {0: b"a" * 32, 7: b"b" * 32, 16: b"c" * 32}


def serialised(registers=REGISTERS, *, algorithm=0x0B, banks=1):
    """Register values as tpm2-tools write them."""
    bitmap = sum(1 << number for number in registers).to_bytes(3, "little")
    selection = struct.pack("<IHB3sxx", banks, algorithm, 3, bitmap).ljust(4 + 16 * 8, b"\0")
    digests = b"".join(struct.pack("<H64s", 32, each) for each in registers.values()).ljust(8 * 66, b"\0")
    return selection + struct.pack("<II", 1, len(registers)) + digests


def test_every_container_has_its_pieces():
    quote = {"attest": MESSAGE, "signature": TPM_SIGNATURE, "pcrs": dict(enumerate(PCRS))}
    found = {name: json_pieces(json.dumps(each).encode())[1] for name, each in CONTAINERS.items()}
    assert found["quote"] == quote
    assert found["azure"] == {"hcl_report": b"HCLA" + b"\xff" * 40, "vcek": VCEK, **quote}
    assert found["numbers"] == {"hcl_report": b"HCLA", "vcek": VCEK, **quote}
    assert found["intel"] == {"body": ("tdx", b"\x04" * 40)}
    assert found["collateral"]["collateral"] == json.dumps(CONTAINERS["collateral"]).encode()


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_cut_and_no_flip_of_a_container_is_a_fault_of_ours(name):
    whole = json.dumps(CONTAINERS[name]).encode()
    for length in range(0, len(whole), 7):
        assert recognise(whole[:length]) is None
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        recognise(bytes(flipped))


@pytest.mark.parametrize(
    "value",
    [[], {}, None, 1, "x", {"quote": 1}, {"quote": "zz"}, {**HEXED, "pcrs": 3}, {**HEXED, "message": [256]}, 10**12],
    ids=lambda value: repr(value)[:20],
)
def test_json_of_other_shapes_is_nothing_that_is_known(value):
    assert json_pieces(json.dumps(value).encode()) is None
    assert json_pieces(json.dumps({"ak_public": value, "tpm_quote": value}).encode()) is None
    assert json_pieces(json.dumps({"report": value, "quote": value, "vcek": value}).encode()) is None


def test_json_beyond_the_limit_is_not_parsed():
    assert json_pieces(json.dumps({**HEXED, "more": "x" * JSON_BYTES_MAX}).encode()) is None


def test_register_values_are_read_and_every_other_layout_is_not():
    assert registers_of(serialised()) == REGISTERS
    for other in (serialised(algorithm=4), serialised(banks=2), serialised()[:-1], serialised() + b"\0", b""):
        assert registers_of(other) is None
    whole = serialised()
    for place in range(10):
        flipped = bytearray(whole)
        flipped[place] ^= 0x81
        assert registers_of(bytes(flipped)) != REGISTERS, place


def test_an_envelope_is_taken_off_and_its_end_is_where_it_says():
    body = document().body
    wrapped = b"\x00\x02" + struct.pack("<H", len(body) << 2 | 1) + body
    assert unwrapped(wrapped + b"tail") == body
    assert recognise(wrapped + b"tail").pieces["body"] == ("nitro", body)
    for other in (wrapped[:-1], b"\x01" + wrapped[1:], b"\x00\x0a" + wrapped[2:], b"\x00\x02\x00\x00", b"\x00"):
        assert unwrapped(other) is None


@pytest.mark.parametrize("as_text", [lambda raw: raw.hex().encode(), base64.b64encode, base64.encodebytes])
def test_evidence_may_be_written_down_as_text(as_text):
    body = document().body
    assert recognise(as_text(body)).pieces["body"] == ("nitro", body)
