"""The attestation result as a JWT: the golden one, any layout of JSON, and everything forged refused with its code."""

import base64
import dataclasses
import json

import pytest

from strongroom.attest.ar4si import status_of, tier_of
from strongroom.attest.checks import FAILED, PASSED, Check
from strongroom.attest.ear import check_ear, make_ear
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected
from tests.fakes.golden_release import VAULT_KEY, VECTORS, ear

GOLDEN = VECTORS["ear"]["jwt"].encode()
CLAIMS = VECTORS["ear"]["claims"]
HEADER = {"alg": "EdDSA", "kid": VECTORS["keys"]["vault_key_id"], "typ": "JWT"}
STRANGER = SigningKey.from_raw(b"\x07" * 32)


def encoded(part):
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def token(header=HEADER, claims=CLAIMS, key=VAULT_KEY):
    signed = encoded(header) + b"." + encoded(claims)
    return signed + b"." + encoded(key.sign_raw(signed))


def code_of(untrusted):
    with pytest.raises(EvidenceRejected) as caught:
        check_ear(untrusted, vault_public=VAULT_KEY.public)
    return caught.value.code, caught.value.check


def changed(*path_and_value):
    *path, value = path_and_value
    whole = json.loads(json.dumps(CLAIMS))
    at = whole
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return whole


def test_the_golden_result_is_made_and_checked():
    assert make_ear(ear(), VAULT_KEY) == GOLDEN
    found = check_ear(GOLDEN, vault_public=VAULT_KEY.public)
    assert found == ear()
    assert found.status == "contraindicated"


def test_any_layout_of_json_is_accepted_and_claims_that_are_not_known_are_ignored():
    spaced = json.dumps({"more": {"x": [1]}, **CLAIMS}, indent=2).encode()
    assert check_ear(token(claims=spaced), vault_public=VAULT_KEY.public) == ear()
    assert check_ear(token(header={"kid": HEADER["kid"], "alg": "EdDSA"}), vault_public=VAULT_KEY.public) == ear()


def test_checks_travel_with_a_result_when_a_report_was_asked_for():
    checks = (
        Check(id="nitro/4 root", outcome=PASSED),
        Check(id="nitro/11", outcome=FAILED, got="“zero”", wanted="production", policy_ref="policy.toml:accept.nitro"),
    )
    jwt = make_ear(dataclasses.replace(ear(), checks=checks), VAULT_KEY)
    assert check_ear(jwt, vault_public=VAULT_KEY.public).checks == checks
    assert jwt.isascii()


ON = ("submods", "runner")
WRONG = {
    "another profile": (("eat_profile", "tag:ietf.org,2026:rats/ear#03"), "SR-ATTEST-004"),
    "no profile": (("eat_profile", ...), "SR-ATTEST-001"),
    "time is text": (("iat", "1800000010"), "SR-ATTEST-001"),
    "time is a truth value": (("iat", True), "SR-ATTEST-001"),
    "time is a fraction": (("iat", 1.5), "SR-ATTEST-001"),
    "time before 1970": (("iat", -1), "SR-ATTEST-001"),
    "time beyond the year 9999": (("iat", 2**60), "SR-ATTEST-001"),
    "short nonce": (("eat_nonce", "AAEC"), "SR-ATTEST-001"),
    "padded nonce": (("eat_nonce", CLAIMS["eat_nonce"] + "="), "SR-ATTEST-001"),
    "nonce with other last bits": (("eat_nonce", CLAIMS["eat_nonce"][:-1] + "9"), "SR-ATTEST-001"),
    "nonce is no text": (("eat_nonce", 5), "SR-ATTEST-001"),
    "nonce with a lone surrogate": (("eat_nonce", "\ud800"), "SR-ATTEST-001"),
    "no report data": (("strongroom_report_data", ...), "SR-ATTEST-001"),
    "assurance is a number": (("strongroom_assurance", 0), "SR-ATTEST-001"),
    "no verifier": (("ear_verifier_id", ...), "SR-ATTEST-001"),
    "verifier is text": (("ear_verifier_id", "strongroom"), "SR-ATTEST-001"),
    "no build": (("ear_verifier_id", "build", ...), "SR-ATTEST-001"),
    "no submodule": (("submods", {}), "SR-ATTEST-001"),
    "status better than the vector": ((*ON, "ear_status", "affirming"), "SR-ATTEST-001"),
    "vector better than the status": ((*ON, "ear_trustworthiness_vector", "hardware", 2), "SR-ATTEST-001"),
    "unknown element": ((*ON, "ear_trustworthiness_vector", "software", 2), "SR-ATTEST-001"),
    "element is text": ((*ON, "ear_trustworthiness_vector", "hardware", "97"), "SR-ATTEST-001"),
    "element is out of range": ((*ON, "ear_trustworthiness_vector", "hardware", 128), "SR-ATTEST-001"),
    "negative element": ((*ON, "ear_trustworthiness_vector", "hardware", -1), "SR-ATTEST-001"),
    "no policy": ((*ON, "ear_appraisal_policy_ids", []), "SR-ATTEST-001"),
    "two policies": ((*ON, "ear_appraisal_policy_ids", ["sha256:" + "00" * 32] * 2), "SR-ATTEST-001"),
    "policy of another hash": ((*ON, "ear_appraisal_policy_ids", ["sha512:" + "00" * 32]), "SR-ATTEST-001"),
    "policy in capitals": ((*ON, "ear_appraisal_policy_ids", ["sha256:" + "AB" * 32]), "SR-ATTEST-001"),
    "policy is no hex": ((*ON, "ear_appraisal_policy_ids", ["sha256:" + "zz" * 32]), "SR-ATTEST-001"),
    "policy is no text": ((*ON, "ear_appraisal_policy_ids", [5]), "SR-ATTEST-001"),
    "checks are no list": (("strongroom_checks", {}), "SR-ATTEST-001"),
    "257 checks": (("strongroom_checks", [{}] * 257), "SR-ATTEST-001"),
    "a check without words": (("strongroom_checks", [{}]), "SR-ATTEST-001"),
    "a check with another outcome": (
        ("strongroom_checks", [{"id": "", "outcome": "ok", "got": "", "wanted": "", "policy_ref": ""}]),
        "SR-ATTEST-001",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_claim_that_is_wrong_is_refused_even_when_it_is_signed(case):
    arguments, code = WRONG[case]
    claims = changed(*arguments)
    assert code_of(token(claims=claims))[0] == code
    assert code_of(token(claims=claims, key=STRANGER)) == ("SR-ATTEST-006", "ear signature")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        pytest.param({**HEADER, "alg": "none"}, "SR-ATTEST-005", id="no algorithm"),
        pytest.param({**HEADER, "alg": "HS256"}, "SR-ATTEST-005", id="a shared key"),
        pytest.param({**HEADER, "alg": ["EdDSA"]}, "SR-ATTEST-005", id="a list of algorithms"),
        pytest.param({"kid": HEADER["kid"]}, "SR-ATTEST-005", id="algorithm missing"),
        pytest.param({**HEADER, "kid": "00" * 32}, "SR-ATTEST-023", id="another key"),
        pytest.param({**HEADER, "kid": 7}, "SR-ATTEST-023", id="a number for a key"),
        pytest.param({"alg": "EdDSA"}, "SR-ATTEST-023", id="no key"),
        pytest.param({**HEADER, "crit": ["exp"]}, "SR-ATTEST-001", id="critical extension"),
        pytest.param({**HEADER, "jwk": {}}, "SR-ATTEST-001", id="a key in the header"),
        pytest.param({**HEADER, "typ": "JOSE"}, "SR-ATTEST-001", id="another type"),
        pytest.param([], "SR-ATTEST-001", id="a list"),
        pytest.param(b"{}}", "SR-ATTEST-001", id="no JSON"),
        pytest.param(b"\xff", "SR-ATTEST-001", id="no UTF-8"),
        pytest.param(b'{"alg":"none","alg":"EdDSA"}', "SR-ATTEST-001", id="an algorithm twice"),
        pytest.param(b'{"alg":NaN}', "SR-ATTEST-001", id="not a number"),
        pytest.param(b"[" * 5000 + b"]" * 5000, "SR-ATTEST-001", id="deep nesting"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "SR-ATTEST-001", id="a number of 5000 digits"),
    ],
)
def test_a_header_that_is_wrong_is_refused(header, code):
    assert code_of(token(header=header))[0] == code


def test_whatever_is_not_three_parts_in_base64url_is_refused():
    parts = GOLDEN.split(b".")
    padded = b".".join([parts[0] + b"=", *parts[1:]])
    standard = b".".join([*parts[:2], parts[2].replace(b"-", b"+").replace(b"_", b"/")])
    for other in (b"", b"..", GOLDEN + b".", b".".join(parts[:2]), padded, standard, GOLDEN + b"\n", GOLDEN[:-1]):
        assert code_of(other)[0] in {"SR-ATTEST-001", "SR-ATTEST-006"}, other
    assert code_of(b"." * (64 * 1024 + 1)) == ("SR-ATTEST-002", "ear size")


def test_every_flipped_byte_is_refused():
    for place in range(len(GOLDEN)):
        mutated = bytearray(GOLDEN)
        mutated[place] ^= 1
        assert code_of(bytes(mutated))[0] in {"SR-ATTEST-001", "SR-ATTEST-005", "SR-ATTEST-006", "SR-ATTEST-023"}


def test_another_vault_and_a_weak_key_are_refused():
    for public in (STRANGER.public, bytes(32), b""):
        with pytest.raises(EvidenceRejected) as caught:
            check_ear(GOLDEN, vault_public=public)
        assert caught.value.code == "SR-ATTEST-023"


def test_a_key_that_is_none_verifies_nothing_even_when_it_is_named():
    for public in (b"", bytes(31)):
        with pytest.raises(EvidenceRejected) as caught:
            check_ear(token(header={**HEADER, "kid": key_id(public).hex()}), vault_public=public)
        assert caught.value.code == "SR-ATTEST-006"


def test_numbers_of_a_vector_have_tiers_and_the_worst_is_the_status():
    assert [tier_of(n) for n in (0, 1, 2, 31, 32, 95, 96, 127)] == [
        "none",
        "none",
        "affirming",
        "affirming",
        "warning",
        "warning",
        "contraindicated",
        "contraindicated",
    ]
    assert tier_of(-1) == tier_of(128) == "contraindicated", "what is out of range is bad"
    assert status_of({}) == status_of({"hardware": 0}) == "none"
    assert status_of({"hardware": 2, "instance-identity": 0}) == "affirming"
    assert status_of({"hardware": 32, "executables": 2}) == "warning"
    assert status_of({"hardware": 97, "executables": 32}) == "contraindicated"


def test_what_would_be_refused_is_not_signed_either():
    for wrong in (
        dataclasses.replace(ear(), nonce=b""),
        dataclasses.replace(ear(), vector={"hardware": 200}),
        dataclasses.replace(ear(), issued_s=-1),
        dataclasses.replace(ear(), policy_sha256=bytes(20)),
        dataclasses.replace(ear(), build="b" * (64 * 1024)),
    ):
        with pytest.raises(EvidenceRejected):
            make_ear(wrong, VAULT_KEY)
