"""The structure of DCAP quotes: every length, every version, and what may stand behind them."""

import pytest

from strongroom.attest.quote import SGX, TDX, parse_quote
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_dcap import ENCLAVE, GOOD_ENCLAVE, GOOD_TD, TD_10, TD_15, Platform, pem

QUOTES = {version: Platform(version=version).quote() for version in (3, 4, 5)}
TEES = {3: SGX, 4: TDX, 5: TDX}
BODY_AT = {3: 48, 4: 48, 5: 54}
LAYOUTS = {3: ENCLAVE, 4: TD_10, 5: TD_15}
VERSIONS = pytest.mark.parametrize("version", [3, 4, 5])


def refused(raw, tee=TDX):
    with pytest.raises(EvidenceRejected) as caught:
        parse_quote("tdx", raw, tee)
    return caught.value.code, caught.value.check


def changed(version, at, new):
    raw = bytearray(QUOTES[version])
    raw[at : at + len(new)] = new
    return bytes(raw)


@VERSIONS
def test_every_field_is_read_from_its_place(version):
    fields = {name: bytes([number] * size) for number, (name, size) in enumerate(LAYOUTS[version].items(), start=1)}
    quote = parse_quote("tdx", Platform(version=version, fields=fields).quote(), TEES[version])
    for name, value in quote.fields.items():
        if value is None:
            assert name == "mr_service_td"
            assert version == 4
        else:
            wanted = int.from_bytes(fields[name], "little") if isinstance(value, int) else fields[name]
            assert value == wanted, name
    assert quote.report_data == fields["report_data"]
    assert {name for name in fields if not name.startswith("reserved")} <= quote.fields.keys()


def test_a_quote_is_what_was_put_into_it():
    quote = parse_quote("tdx", QUOTES[5], TDX)
    assert (quote.version, quote.tee, quote.fields["mr_td"]) == (5, TDX, GOOD_TD["mr_td"])
    quote = parse_quote("sgx", QUOTES[3], SGX)
    assert (quote.fields["mr_enclave"], quote.fields["isv_svn"]) == (GOOD_ENCLAVE["mr_enclave"], 300)
    assert quote.pck_chain.decode() == pem(*Platform(version=3).chain())


@VERSIONS
def test_every_cut_is_refused(version):
    for length in range(len(QUOTES[version])):
        assert refused(QUOTES[version][:length], TEES[version])[0] == "SR-ATTEST-001", length


@VERSIONS
def test_zeros_behind_a_quote_are_cut_off_and_everything_else_there_is_refused(version):
    raw, tee = QUOTES[version], TEES[version]
    for padding in (0, 1, 70, 256):
        assert parse_quote("tdx", raw + bytes(padding), tee).raw == raw
    for rest in (bytes(257), b"\x01", bytes(200) + b"\x01", b"\n"):
        assert refused(raw + rest, tee) == ("SR-ATTEST-001", "tdx/padding")


HEADERS = {
    "version 0": ({"version": 0}, "SR-ATTEST-004", "tdx/version"),
    "version 2": ({"version": 2}, "SR-ATTEST-004", "tdx/version"),
    "version 6": ({"version": 6}, "SR-ATTEST-004", "tdx/version"),
    "TDX in version 3": ({"version": 3}, "SR-ATTEST-004", "tdx/version"),
    "SGX": ({"tee": 0}, "SR-ATTEST-003", "tdx/tee type"),
    "another TEE": ({"tee": 0x82}, "SR-ATTEST-003", "tdx/tee type"),
    "a P-384 key": ({"key_type": 3}, "SR-ATTEST-005", "tdx/key type"),
    "an EPID key": ({"key_type": 0}, "SR-ATTEST-005", "tdx/key type"),
    "another vendor": ({"vendor": "00" * 16}, "SR-ATTEST-023", "tdx/vendor"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_not_on_the_list_is_refused(case):
    header, code, check = HEADERS[case]
    raw = bytearray(QUOTES[4])
    values = {"version": 4, "key_type": 2, "tee": TDX, "vendor": "939a7233f79c4ca9940a0db3957f0607", **header}
    raw[0:4] = values["version"].to_bytes(2, "little") + values["key_type"].to_bytes(2, "little")
    raw[4:8] = values["tee"].to_bytes(4, "little")
    raw[12:28] = bytes.fromhex(values["vendor"])
    assert refused(bytes(raw)) == (code, check)


def test_sgx_in_version_4_is_refused():
    raw = changed(4, 4, bytes(4))
    assert refused(raw, SGX) == ("SR-ATTEST-004", "tdx/version")


BODIES = {
    "no such body": ((0, 648), "SR-ATTEST-004", "tdx/body type"),
    "TD 1.5ex": ((4, 648), "SR-ATTEST-004", "tdx/body type"),
    "a TD 1.0 as long as a TD 1.5": ((2, 648), "SR-ATTEST-001", "tdx/body"),
    "a TD 1.5 of 649 bytes": ((3, 649), "SR-ATTEST-001", "tdx/body"),
    "an enclave": ((1, 384), "SR-ATTEST-001", "tdx/body"),
    "a body of 4 GiB": ((3, 2**32 - 1), "SR-ATTEST-001", "tdx/body"),
}


@pytest.mark.parametrize("case", BODIES)
def test_version_5_says_which_body_it_has_and_nothing_else_goes(case):
    (kind, size), code, check = BODIES[case]
    assert refused(changed(5, 48, kind.to_bytes(2, "little") + size.to_bytes(4, "little"))) == (code, check)


def test_version_5_may_carry_an_enclave():
    sgx = QUOTES[3]
    head = (5).to_bytes(2, "little") + sgx[2:48] + (1).to_bytes(2, "little") + (384).to_bytes(4, "little")
    inner = sgx[48 + 384 + 4 + 128 :]
    data = sgx[436 : 436 + 128] + (6).to_bytes(2, "little") + len(inner).to_bytes(4, "little") + inner
    quote = parse_quote("sgx", head + sgx[48 : 48 + 384] + len(data).to_bytes(4, "little") + data, SGX)
    assert quote.fields["mr_enclave"] == GOOD_ENCLAVE["mr_enclave"]


def test_lengths_inside_the_signature_data_must_fit():
    data_at = 48 + 584 + 4
    kind_at = data_at + 128
    auth_at = kind_at + 6 + 384 + 64
    chain_at = auth_at + 2 + 32
    for at, new in (
        (data_at - 4, b"\xff\xff\xff\xff"),
        (kind_at, b"\x05\x00"),
        (kind_at + 2, b"\x00\x00\x00\x00"),
        (auth_at, b"\xff\xff"),
        (chain_at + 2, b"\xff\xff\xff\x7f"),
        (chain_at + 2, b"\x10\x00\x00\x00"),
    ):
        assert refused(changed(4, at, new))[0] == "SR-ATTEST-001", at
    for kind in (1, 2, 3, 4, 6, 7):
        found = refused(changed(4, chain_at, kind.to_bytes(2, "little")))
        assert found == ("SR-ATTEST-004", "tdx/certification data"), "the certificates must be in the quote"
