"""The policy file: what it may say, what it may not, who signed it, and how old it may be."""

import re
import tomllib
from pathlib import Path

import pytest

from strongroom.attest import codes
from strongroom.attest.policy import _TOP_KEYS, POLICY_BYTES_MAX, check_epoch, open_policy, parse_policy, sign_policy
from strongroom.attest.policy_entries import _KEYS
from strongroom.crypto.signing import SigningKey
from strongroom.errors import Misconfigured
from tests.fakes.policies import AK_NAME, FILE, HARDWARE_KINDS, changed, hexed, policy, toml, values

KEY = SigningKey.from_raw(bytes(32))


def refused(found, where, *, code=codes.POLICY_INVALID):
    with pytest.raises(Misconfigured) as caught:
        parse_policy(found if isinstance(found, bytes) else toml(found), file=FILE)
    assert caught.value.code == code
    assert caught.value.details["where"] == where, str(caught.value)
    assert where in str(caught.value)
    return str(caught.value)


def test_a_policy_of_every_kind_is_read():
    found = policy()
    assert (found.profile, found.epoch, found.min_runner_svn) == ("production", 7, 1)
    assert found.where("epoch") == "policy.toml:epoch"
    assert [each.kind for each in found.entries] == list(HARDWARE_KINDS)
    assert not any(found.missing_section(kind) for kind in HARDWARE_KINDS)
    assert found.freshness.nonce_ttl_s == 60
    assert found.snp.min_tcb["Milan"]["ucode"] == 213
    assert found.tdx.tcb_status == ("UpToDate",)
    assert found.tpm2.aks == (AK_NAME,)


def test_hardware_has_its_anchors_from_the_code_and_the_others_from_the_policy():
    found = policy(changed(values(("insecure-software",)), "insecure/anchors", [hexed("ca", 32)])).anchors()
    assert len(found["sev-snp"]) == 3
    assert found["tpm2"] == {hexed("ek", 32)}
    assert found["insecure-software"] == found["insecure-swtpm"] == {hexed("ca", 32)}


def test_what_may_be_left_out_has_the_strict_default():
    found = values(("nitro", "sev-snp", "tdx"))
    for path in ("freshness", "verifiers", "insecure", "tpm2", "sgx", "accept/sev-snp/0/smt", "accept/sev-snp/0/vmpl"):
        found = changed(found, path)
    assert not policy(found).release.only_attested_capabilities
    for flag in ("allow_dynamic_platform", "allow_cached_keys", "allow_smt", "reject_advisories"):
        found = changed(found, f"tdx/{flag}")
    read = policy(found)
    assert (read.freshness.nonce_ttl_s, read.freshness.max_skew_s) == (60, 300)
    assert read.verifiers == ()
    assert read.insecure.allow_kinds == ()
    assert [read.tdx.allow_smt, read.tdx.allow_cached_keys, read.tdx.allow_dynamic_platform] == [False] * 3
    snp = {each.key: each.allowed for each in read.entries_of("sev-snp")[0].demands}
    assert (snp["vmpl"], snp["smt"]) == ({0}, {False})


UNKNOWN = {
    "allow_debug": "policy.toml:allow_debug",
    "verifiers/skip": "policy.toml:verifiers.skip",
    "freshness/ignore_expiry": "policy.toml:freshness.ignore_expiry",
    "accept/other-kind": "policy.toml:accept.other-kind",
    "accept/nitro/0/pcr32": "policy.toml:accept.nitro[0].pcr32",
    "accept/sev-snp/0/measurment": "policy.toml:accept.sev-snp[0].measurment",
    "accept/tpm2/0/pcrs/32": "policy.toml:accept.tpm2[0].pcrs.32",
    "release/wait": "policy.toml:release.wait",
    "sev-snp/min_tcb/Rome": "policy.toml:sev-snp.min_tcb.Rome",
    "sev-snp/min_tcb/Milan/fmc": "policy.toml:sev-snp.min_tcb.Milan.fmc",
    "tdx/allow_debug": "policy.toml:tdx.allow_debug",
    "sgx/allow_out_of_date": "policy.toml:sgx.allow_out_of_date",
    "tpm2/any_ak": "policy.toml:tpm2.any_ak",
    "insecure/accept": "policy.toml:insecure.accept",
}


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_key_is_refused_by_its_place(path):
    assert "no known key" in refused(changed(values(), path, 1), UNKNOWN[path])


def test_a_key_of_very_many_parts_is_refused_before_it_takes_all_memory():
    deep = b"a" + b".a" * 100_000 + b" = 1\n"
    for text in (deep, b"[" + deep.partition(b" ")[0] + b"]\n", toml(values()).replace(b"epoch", deep + b"epoch", 1)):
        assert "more than 128 dots" in refused(text, FILE)
    assert "no known key" in refused(b"a" + b".a" * 128 + b" = 1\n", f"{FILE}:a")


def test_an_unknown_key_is_answered_with_the_nearest_and_never_with_its_value():
    text = refused(changed(values(), "min_runer_svn", "hunter2"), "policy.toml:min_runer_svn")
    assert "did you mean min_runner_svn?" in text
    assert "hunter2" not in text


WRONG = [
    ("profile", "staging"),
    ("profile", ...),
    ("epoch", 0),
    ("epoch", True),
    ("epoch", 2**63),
    ("epoch", 7.0),
    ("epoch", ...),
    ("min_runner_svn", -1),
    ("min_runner_svn", ...),
    ("freshness/nonce_ttl_s", 0),
    ("freshness/nonce_ttl_s", 601),
    ("freshness/max_skew_s", 3601),
    ("freshness/max_skew_s", "300"),
    ("release/require", "none"),
    ("release/require", ...),
    ("release/min_assurance", "local"),
    ("release/min_assurance", "none"),
    ("release/min_assurance", "vtpm-untrusted"),
    ("release/min_assurance", ...),
    ("release/only_attested_capabilities", 1),
    ("sev-snp/min_tcb/Milan/bl", 256),
    ("sev-snp/min_tcb/Milan/tee", ...),
    ("sev-snp/min_tcb/Turin", {"bl": 1, "tee": 1, "snp": 1, "ucode": 1}),
    ("sev-snp/csp_ids/0", ""),
    ("sev-snp/csp_ids/0", "é"),
    ("sev-snp/csp_ids", ["a", "a"]),
    ("sev-snp/csp_ids", "CN=cloud"),
    ("sev-snp/chip_ids", ["00"]),
    ("tdx/tcb_status", ["Revoked"]),
    ("tdx/tcb_status/0", "uptodate"),
    ("tdx/min_evaluation_number", ...),
    ("sgx/max_collateral_age_days", 0),
    ("sgx/allow_smt", "yes"),
    ("tpm2/ek_anchors/0", "ab"),
    ("tpm2/aks/0", "000c" + "00" * 32),
    ("tpm2/firmware_versions", [-1]),
    ("verifiers/load/0", "strongroom 0.1.0"),
    ("verifiers/load/0", f"strongroom 0.1.0 sha256:{hexed('x', 32).upper()}"),
    ("verifiers/load", [f"strongroom {n} sha256:{hexed('x', 32)}" for n in (1, 2)]),
    ("insecure/allow_kinds", ["nitro"]),
    ("accept/nitro", []),
    ("accept/nitro", {"name": "x"}),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda value: str(value)[:40])
def test_a_value_of_another_type_or_range_is_refused_by_its_place(path, value):
    text = refused_at(changed(values(), path, value))
    dotted = "policy.toml:" + path.replace("/", ".")
    assert dotted.replace(".0", "[0]") in text or dotted in text, text


def refused_at(found):
    with pytest.raises(Misconfigured) as caught:
        parse_policy(toml(found), file=FILE)
    assert caught.value.code == codes.POLICY_INVALID
    return caught.value.details["where"]


def test_that_a_revoked_platform_is_never_accepted_is_said_in_so_many_words():
    for kind in ("tdx", "sgx"):
        text = refused(
            changed(values(), f"{kind}/tcb_status", ["UpToDate", "Revoked"]), f"policy.toml:{kind}.tcb_status"
        )
        assert "a revoked platform is never accepted" in text


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("epoch", 2**63 - 1),
        ("min_runner_svn", 2**32 - 1),
        ("min_runner_svn", 0),
        ("freshness/nonce_ttl_s", 600),
        ("freshness/max_skew_s", 3600),
        ("sev-snp/min_tcb/Milan/bl", 255),
        ("sev-snp/csp_ids", [str(number) for number in range(256)]),
        ("sgx/max_collateral_age_days", 365),
        ("tpm2/firmware_versions", [2**64 - 1]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_numbers_and_lists_at_their_limits_are_taken(path, number):
    assert policy(changed(values(), path, number))


def test_texts_and_names_at_their_limits_are_taken():
    assert policy(changed(values(), "sev-snp/csp_ids", ["x", "y" * 128])).snp.csp_ids == ("x", "y" * 128)
    refused(changed(values(), "sev-snp/csp_ids", ["y" * 129]), "policy.toml:sev-snp.csp_ids[0]")
    assert policy(changed(values(), "accept/nitro/0/name", "n" * 64)).entries_of("nitro")[0].name == "n" * 64
    refused(changed(values(), "accept/nitro/0/name", "n" * 65), "policy.toml:accept.nitro[0].name")


def test_lists_and_entries_have_a_limit():
    many = [{**values()["accept"]["nitro"][0], "name": f"r{n}"} for n in range(257)]
    assert len(policy(changed(values(), "accept/nitro", many[:256])).entries_of("nitro")) == 256
    refused(changed(values(), "accept/nitro", many), "policy.toml:accept.nitro")
    refused(changed(values(), "sev-snp/csp_ids", [f"c{n}" for n in range(257)]), "policy.toml:sev-snp.csp_ids")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"epoch = ",
        b"epoch = 1\nepoch = 2",
        b"a = " + b"[" * 50_000,
        b"a = " + b"9" * 5_000,
        b"x" * 300_000,
    ],
    ids=["empty", "no UTF-8", "cut", "a key twice", "deep", "a huge number", "large"],
)
def test_what_is_no_policy_at_all_is_refused(text):
    with pytest.raises(Misconfigured) as caught:
        parse_policy(text, file=FILE)
    assert caught.value.code == codes.POLICY_INVALID
    assert str(caught.value.details["where"]).startswith(FILE)


def test_a_file_beyond_the_limit_is_not_read_and_one_at_it_is():
    text = toml(values())
    full = text + b"#" * (POLICY_BYTES_MAX - len(text))
    assert parse_policy(full, file=FILE).epoch == 7
    assert f"at most {POLICY_BYTES_MAX}" in refused(full + b"#", FILE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("insecure/allow_kinds", ["insecure-software"]),
        ("insecure/anchors", [hexed("ca", 32)]),
        ("accept/insecure-software", [{"name": "x", "measurement": hexed("runner", 32)}]),
        ("accept/insecure-swtpm", [{"name": "x", "pcrs": {"0": hexed("p0", 32)}}]),
    ],
)
def test_a_production_policy_may_not_even_mention_a_simulation(path, value):
    dotted = path.replace("/", ".")
    assert 'profile = "test"' in refused(changed(values(), path, value), f"policy.toml:{dotted}")
    assert policy(changed(changed(values(), path, value), "profile", "test"))


def test_a_kind_without_its_section_or_without_a_release_is_missing_something():
    cases = {"sev-snp": "sev-snp", "az-snp-vtpm": "sev-snp", "tdx": "tdx", "sgx": "sgx", "tpm2": "tpm2"}
    for kind, section in cases.items():
        assert policy(changed(values(), section)).missing_section(kind) == section
        assert policy(changed(values(), f"accept/{kind}")).missing_section(kind) == f"accept.{kind}"
    assert policy().missing_section("anything") == "accept.anything"


def test_the_signature_covers_every_byte_and_is_looked_at_first():
    text = toml(values())
    signature = sign_policy(text, KEY)
    assert open_policy(text, signature, public=KEY.public, file=FILE) == parse_policy(text, file=FILE)
    other = SigningKey.from_raw(b"1" * 32)
    for data, by, public in (
        (text + b" ", signature, KEY.public),
        (b"not even TOML", signature, KEY.public),
        (text, b"", KEY.public),
        (text, signature[:-1], KEY.public),
        (text, signature, other.public),
        (text, KEY.sign("manifest", text), KEY.public),
        (text, KEY.sign_raw(text), KEY.public),
    ):
        with pytest.raises(Misconfigured, match="signature is missing") as caught:
            open_policy(data, by, public=public, file=FILE)
        assert (caught.value.code, caught.value.details["where"]) == (codes.POLICY_INVALID, FILE)


def test_a_signed_file_that_is_no_policy_is_refused_for_that():
    with pytest.raises(Misconfigured, match="this key must be there"):
        sign_policy(b"epoch = 1", KEY)
    with pytest.raises(Misconfigured, match=r"policy.toml:profile"):
        open_policy(b"epoch = 1", KEY.sign("policy", b"epoch = 1"), public=KEY.public, file=FILE)


def test_a_policy_may_not_go_back_behind_what_was_in_force():
    found = policy()
    check_epoch(found, stored_epoch=7, stored_runner_svn=1, stored_sha256=found.sha256)
    check_epoch(found, stored_epoch=0)
    for stored, key in (
        ({"stored_epoch": 8}, "epoch"),
        ({"stored_epoch": 7, "stored_runner_svn": 2}, "min_runner_svn"),
        ({"stored_epoch": 7, "stored_sha256": bytes(32)}, "epoch"),
    ):
        with pytest.raises(Misconfigured) as caught:
            check_epoch(found, **stored)
        assert (caught.value.code, caught.value.details["where"]) == (codes.POLICY_EPOCH, f"policy.toml:{key}")


def test_the_example_on_the_page_is_a_policy_and_shows_every_section():
    page = (Path(__file__).resolve().parents[2] / "docs" / "attestation.md").read_text()
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    found = parse_policy(example.encode(), file=FILE)
    kinds = {each.kind for each in found.entries}
    assert kinds == {"nitro", "sev-snp", "az-snp-vtpm", "tdx", "tpm2"}
    assert not any(found.missing_section(kind) for kind in kinds)
    assert set(tomllib.loads(example)) == set(_TOP_KEYS) - {"sgx"}
    named = set(re.findall(r"`(\w+)`", page)) | set(re.findall(r"^(\w+) = ", example, re.MULTILINE))
    keys = {each.name for kind in _KEYS.values() for each in kind if not re.fullmatch(r"pcr\d+", each.name)}
    assert keys <= named, "a key of an entry is not on the page"
