"""The deployment manifest: one encoding, one signature, exact grants, and no way back."""

from dataclasses import replace

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    ManifestGrant,
    check_serial,
    open_manifest,
    read_manifest,
    sign_manifest,
)
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected
from tests.fakes.golden_release import runtime_data

KEY = SigningKey.from_raw(b"o" * 32)
EXECUTION = runtime_data().execution


def grant(**changes):
    fields = {
        "workflow_id": EXECUTION.workflow_id,
        "binary_sha256": EXECUTION.binary_sha256,
        "config_sha256": EXECUTION.config_sha256,
        "secrets": {("main", "API_KEY"): "hardware", ("custom-ns", "SIGNING_KEY"): "vtpm"},
        **changes,
    }
    return ManifestGrant(**fields)


OTHER = grant(workflow_id="0" * 64, secrets={})
MANIFEST = Manifest(owner=EXECUTION.owner, serial=3, grants=(grant(), OTHER))


def value(**changes):
    return {**cbor2.loads(MANIFEST.encode()), **changes}


def refused(untrusted, code, check=""):
    with pytest.raises(EvidenceRejected) as caught:
        read_manifest(untrusted if isinstance(untrusted, bytes) else cbor2.dumps(untrusted, canonical=True))
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(f"manifest{check}"), caught.value.check


def test_a_manifest_has_one_encoding_whatever_order_it_was_written_in():
    found = read_manifest(MANIFEST.encode())
    assert [each.workflow_id for each in found.grants] == [OTHER.workflow_id, EXECUTION.workflow_id]
    assert list(found.grants[1].secrets) == [("custom-ns", "SIGNING_KEY"), ("main", "API_KEY")]
    assert found.encode() == MANIFEST.encode()
    assert found.sha256() == MANIFEST.sha256()
    assert replace(MANIFEST, grants=MANIFEST.grants[::-1]).encode() == MANIFEST.encode()


def test_the_signature_is_that_of_the_owner_for_this_purpose():
    encoded, signature = MANIFEST.encode(), sign_manifest(MANIFEST, KEY)
    assert open_manifest(encoded, signature, owner_public=KEY.public, owner=EXECUTION.owner).serial == 3
    other = SigningKey.from_raw(b"x" * 32)
    for data, by, public, code in (
        (encoded, signature, other.public, codes.SIGNATURE),
        (encoded, signature[:-1], KEY.public, codes.SIGNATURE),
        (encoded + b"\0", signature, KEY.public, codes.SIGNATURE),
        (encoded, KEY.sign("policy", encoded), KEY.public, codes.SIGNATURE),
        (b"\xff", KEY.sign("manifest", b"\xff"), KEY.public, codes.MALFORMED),
        (b"\0" * (MANIFEST_BYTES_MAX + 1), signature, KEY.public, codes.TOO_LARGE),
    ):
        with pytest.raises(EvidenceRejected) as caught:
            open_manifest(data, by, owner_public=public, owner=EXECUTION.owner)
        assert caught.value.code == code


def test_a_manifest_of_another_owner_is_refused_though_it_is_signed():
    with pytest.raises(EvidenceRejected) as caught:
        open_manifest(MANIFEST.encode(), sign_manifest(MANIFEST, KEY), owner_public=KEY.public, owner="0x22")
    assert (caught.value.code, caught.value.check) == (codes.BINDING, "manifest owner")


@pytest.mark.parametrize(
    ("changes", "code", "check"),
    [
        ({"profile": "strongroom/manifest/v2"}, codes.UNSUPPORTED_VERSION, " profile"),
        ({"owner": ""}, codes.MALFORMED, " owner"),
        ({"owner": "x" * 129}, codes.MALFORMED, " owner"),
        ({"serial": 0}, codes.MALFORMED, " serial"),
        ({"serial": True}, codes.MALFORMED, " serial"),
        ({"grants": {}}, codes.MALFORMED, " grants"),
        ({"grants": [{}] * 4097}, codes.MALFORMED, " grants"),
        ({"grants": [[]]}, codes.MALFORMED, " grants 0"),
        ({"any_workflow": True}, codes.MALFORMED, " keys"),
    ],
)
def test_a_manifest_that_is_not_what_it_should_be_is_refused(changes, code, check):
    refused(value(**changes), code, check)


def row(**changes):
    return value(grants=[{**value()["grants"][1], **changes}])


SECRET = {"namespace": "main", "key": "A", "min_assurance": "hardware"}


@pytest.mark.parametrize(
    "changes",
    [
        {"workflow_id": "*" * 129},
        {"binary_sha256": b"x" * 31},
        {"config_sha256": "00" * 32},
        {"secrets": [SECRET] * 257},
        {"secrets": [SECRET, SECRET]},
        {"secrets": [{**SECRET, "key": "B"}, SECRET]},
        {"secrets": [{**SECRET, "min_assurance": "best"}]},
        {"secrets": [{**SECRET, "version": 1}]},
        {"secrets": [{**SECRET, "key": ""}]},
        {"any_secret": True},
    ],
    ids=str,
)
def test_a_grant_that_is_not_what_it_should_be_is_refused(changes):
    refused(row(**changes), codes.MALFORMED, " grants 0")


def test_grants_out_of_order_or_twice_are_refused():
    first, second = value()["grants"]
    refused(value(grants=[second, first]), codes.MALFORMED, " grants")
    refused(value(grants=[first, first]), codes.MALFORMED, " grants")
    for grants in ((grant(), grant(secrets={})), (grant(workflow_id="\ud800"),)):
        with pytest.raises(EvidenceRejected) as caught:
            replace(MANIFEST, grants=grants).encode()
        assert caught.value.code == codes.MALFORMED


def test_every_cut_and_every_byte_behind_the_end_is_refused():
    encoded = MANIFEST.encode()
    for size in range(len(encoded)):
        refused(encoded[:size], codes.MALFORMED)
    refused(encoded + b"\0", codes.MALFORMED)
    refused(cbor2.dumps(dict(reversed(value().items()))), codes.MALFORMED)


def test_a_grant_is_for_workflow_binary_and_configuration_together():
    assert MANIFEST.grant_for(EXECUTION) == grant()
    for changes in ({"workflow_id": "1" * 64}, {"binary_sha256": b"x" * 32}, {"config_sha256": b"x" * 32}):
        assert MANIFEST.grant_for(replace(EXECUTION, **changes)) is None


def test_a_manifest_may_not_go_back_behind_one_that_was_in_force():
    check_serial(MANIFEST, stored_serial=3)
    with pytest.raises(EvidenceRejected) as caught:
        check_serial(MANIFEST, stored_serial=4)
    assert (caught.value.code, caught.value.check) == (codes.NOT_AUTHORISED, "manifest serial")


def test_a_manifest_beyond_its_limit_is_neither_written_nor_read():
    refused(b"\0" * (MANIFEST_BYTES_MAX + 1), codes.TOO_LARGE, " size")
    secrets = {("main", f"{number:0>120}"): "hardware" for number in range(256)}
    many = tuple(grant(workflow_id=str(number), secrets=secrets) for number in range(40))
    with pytest.raises(EvidenceRejected) as caught:
        replace(MANIFEST, grants=many).encode()
    assert (caught.value.code, caught.value.check) == (codes.TOO_LARGE, "manifest size")
