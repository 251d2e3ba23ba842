"""Each byte of a report is where it should be, other libraries find it signed, and numbers never repeat."""

import hashlib

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from google.protobuf import timestamp_pb2

from strongroom.plugin import CapabilityError, Repeats, keccak256
from strongroom.plugin.messages import sdk_pb2
from strongroom_consensus.keys import SigningKeys
from strongroom_consensus.limits import REPORT_BYTES_MAX
from strongroom_consensus.plugin import Consensus
from strongroom_consensus.verify import ReportRefused, verify_report
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.workflow_caller import ALICE, BOB, EXECUTION, WORKFLOW, step

KEYS = SigningKeys.from_secret(bytes(range(32)))
# Pinned: another key after an update would make every report one of a stranger.
VECTOR = (
    "b6244b95054fa677a1a5e7257f5fead9dee4cf62",
    "58d59a183c259374dc7c81bc5fe37c5c939a393b67c904d9dee8d3c48118075e",
    "7bfb38a483607d63e73babffac930b90aa71559523bb40118405e7fed4d6965e",
)
HASHES = {"keccak256": keccak256, "blake2b_256": lambda data: hashlib.blake2b(data, digest_size=32).digest()}


def wish(payload=b"payload", signing="ecdsa", hashing="keccak256", encoder="evm"):
    return sdk_pb2.ReportRequest(
        encoded_payload=payload, encoder_name=encoder, signing_algo=signing, hashing_algo=hashing
    )


def consensus(store=None, now_s=1_700_000_000.0):
    store = store if store is not None else MemoryStore()
    return Consensus(KEYS, store, Repeats(store), now_s=lambda: now_s)


def refusal(work):
    with pytest.raises(CapabilityError) as caught:
        work()
    return caught.value.name, caught.value.message


@pytest.mark.parametrize("hashing", ["keccak256", "blake2b_256", "Keccak256", "BLAKE2B_256"])
@pytest.mark.parametrize("signing", ["ecdsa", "ed25519", "ECDSA", "Ed25519"])
def test_the_bytes_are_as_documented_and_other_libraries_find_them_signed(signing, hashing):
    call = step(wish(signing=signing, hashing=hashing, encoder="EVM"), workflow_don_config_version=1)
    report = consensus().report(call)
    header = bytes([1]) + bytes.fromhex(EXECUTION) + (1_700_000_000).to_bytes(4, "big") + bytes([0, 0, 0, 0])
    header += bytes([0, 0, 0, 1]) + bytes.fromhex(WORKFLOW) + b"6176ac6c42" + bytes.fromhex(ALICE) + b"\0\1"
    assert len(header) == 109
    assert report.raw_report == header + b"payload"
    assert report.config_digest == KEYS.config_digest
    assert report.report_context == KEYS.config_digest + (1).to_bytes(32, "big")
    assert (report.seq_nr, len(report.sigs), report.sigs[0].signer_id) == (1, 1, 0)
    hashed = HASHES[hashing.lower()]
    digest = hashed(hashed(report.raw_report) + report.report_context)
    signature = report.sigs[0].signature
    if signing.lower() == "ecdsa":
        assert (len(signature), signature[64] in {0, 1}) == (65, True)
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), KEYS.ecdsa_public)
        numbers = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        algorithm = ec.ECDSA(utils.Prehashed(SHA256()))  # SHA256 stands for "32 bytes, hashed already"
        public.verify(utils.encode_dss_signature(*numbers), digest, algorithm)
        with pytest.raises(InvalidSignature):
            public.verify(utils.encode_dss_signature(1, 1), digest, algorithm)
    else:
        key = nacl.signing.VerifyKey(KEYS.ed25519_public)
        key.verify(digest, signature)
        with pytest.raises(nacl.exceptions.BadSignatureError):
            key.verify(bytes(32), signature)


def test_the_keys_of_a_secret_never_change():
    assert KEYS.address.hex() == keccak256(KEYS.ecdsa_public[1:])[-20:].hex()
    vector = (KEYS.address.hex(), KEYS.ed25519_public.hex(), KEYS.config_digest.hex())
    assert vector == VECTOR


def verified(report, signing="ecdsa", **changes):
    signer = KEYS.address if signing == "ecdsa" else KEYS.ed25519_public
    given = {"signing_algo": signing, "hashing_algo": "keccak256", "signer": signer}
    return verify_report(report, **{**given, "config_digest": KEYS.config_digest, **changes})


@pytest.mark.parametrize("signing", ["ecdsa", "ed25519"])
def test_a_report_is_verified_with_what_it_says(signing):
    report = verified(consensus().report(step(wish(signing=signing))), signing)
    assert (report.payload, report.seq_nr, report.unix_s) == (b"payload", 1, 1_700_000_000)
    assert (report.owner, report.workflow_id, report.execution_id) == (ALICE, WORKFLOW, EXECUTION)
    assert report.workflow_name == "6176ac6c42"


@pytest.mark.parametrize("signing", ["ecdsa", "ed25519"])
def test_every_flipped_byte_of_a_report_is_refused(signing):
    report = consensus().report(step(wish(signing=signing)))
    for name in ("raw_report", "report_context", "config_digest"):
        for position in range(len(getattr(report, name))):
            changed = sdk_pb2.ReportResponse.FromString(report.SerializeToString())
            data = bytearray(getattr(changed, name))
            data[position] ^= 1
            setattr(changed, name, bytes(data))
            with pytest.raises(ReportRefused):
                verified(changed, signing)
    for position in range(len(report.sigs[0].signature)):
        changed = sdk_pb2.ReportResponse.FromString(report.SerializeToString())
        data = bytearray(changed.sigs[0].signature)
        data[position] ^= 1
        changed.sigs[0].signature = bytes(data)
        with pytest.raises(ReportRefused):
            verified(changed, signing)


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": SigningKeys.from_secret(bytes(32)).address},
        {"signer": b""},
        {"signing_algo": "rsa"},
        {"hashing_algo": "blake2b_256"},
        {"hashing_algo": "md5"},
        {"config_digest": bytes(32)},
    ],
    ids=["signer", "no signer", "algorithm", "other hash", "no hash", "host"],
)
def test_a_report_of_something_else_is_refused(changes):
    with pytest.raises(ReportRefused):
        verified(consensus().report(step(wish())), **changes)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"encoder": "base64"}, "unsupported encoder name base64 for report request"),
        ({"encoder": ""}, "unsupported encoder name  for report request"),
        ({"signing": "rsa"}, "unsupported signing algorithm rsa for report request"),
        ({"hashing": "sha256"}, "unsupported hashing algorithm sha256 for report request"),
        ({"hashing": "x" * 65}, "unsupported hashing algorithm (not a name) for report request"),
        ({"hashing": "a\nb"}, "unsupported hashing algorithm (not a name) for report request"),
    ],
    ids=["encoder", "no encoder", "signing", "hashing", "long", "lines"],
)
def test_an_algorithm_that_is_not_there_is_named(field, reason):
    assert refusal(lambda: consensus().report(step(wish(**field)))) == ("InvalidArgument", reason)


def test_a_payload_has_a_limit():
    assert consensus().report(step(wish(bytes(REPORT_BYTES_MAX), hashing="blake2b_256"))).seq_nr == 1
    name, message = refusal(lambda: consensus().report(step(wish(bytes(REPORT_BYTES_MAX + 1)))))
    assert (name, message) == ("LimitExceeded", "report payload: 100001 bytes, the limit is 100000")


def test_numbers_count_per_workflow_and_go_on_after_a_restart():
    store = MemoryStore()
    numbers = [consensus(store).report(step(wish(), str(n))).seq_nr for n in range(3)]
    assert numbers == [1, 2, 3]
    assert consensus(store).report(step(wish(), workflow_id="22" * 32)).seq_nr == 1
    assert consensus(store).report(step(wish(), workflow_owner=BOB)).seq_nr == 1
    assert consensus(store).report(step(wish(), "9", workflow_owner="0x" + ALICE.upper())).seq_nr == 4
    outside = [consensus(store).report(step(wish(), "", workflow_id="", workflow_owner="")).seq_nr for _ in range(2)]
    assert outside == [1, 2], "a call that is no step is a new report each time"


def test_a_call_that_is_sent_again_gets_the_same_report():
    store = MemoryStore()
    first = [consensus(store).report(step(wish(b"%d" % n), str(n))) for n in range(3)]
    later = consensus(store, now_s=1_800_000_000.0)
    assert [later.report(step(wish(b"%d" % n), str(n))) for n in (1, 2, 0)] == [first[1], first[2], first[0]]
    assert later.report(step(wish(), "3")).seq_nr == 4
    other = refusal(lambda: later.report(step(wish(b"other"), "1")))
    assert other == ("FailedPrecondition", "this step was sent before with another request")
    assert all(b"payload" not in value for value in store.values.values())


def test_a_disk_that_fails_gives_no_number_away():
    class Broken(MemoryStore):
        def put(self, key, value, *, owner=""):
            raise OSError("the disk is gone")

    store = MemoryStore()
    consensus(store).report(step(wish(), "1"))
    broken = Broken()
    broken.values = store.values
    with pytest.raises(OSError, match="disk"):
        consensus(broken).report(step(wish(), "2"))
    assert consensus(store).report(step(wish(), "3")).seq_nr == 2


def test_the_time_of_a_report_is_that_of_its_run():
    call = step(wish(), execution_timestamp=timestamp_pb2.Timestamp(seconds=1_600_000_000))
    assert verified(consensus().report(call)).unix_s == 1_600_000_000


@pytest.mark.parametrize(
    "metadata",
    [{"workflow_id": "zz"}, {"workflow_execution_id": "11"}, {"workflow_owner": "1"}, {"workflow_name": "n" * 11}],
    ids=lambda metadata: next(iter(metadata)),
)
def test_ids_that_are_none_are_refused(metadata):
    name, message = refusal(lambda: consensus().report(step(wish(), **metadata)))
    assert (name, next(iter(metadata)) in message) == ("InvalidArgument", True)
