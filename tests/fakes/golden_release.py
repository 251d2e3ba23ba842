"""The execution of the golden values: keys, runtime data and messages that two independent encoders agree on.

Source: contracts/attestation.md, appendix A. The keys are for tests only.
"""

import hashlib
import json
from pathlib import Path

from strongroom.attest.ear import Ear
from strongroom.attest.release import Challenge, Envelope, ReleasedSecret, Signed
from strongroom.attest.result import Result
from strongroom.attest.runtime_data import ChallengeRef, Execution, RunnerBuild, RuntimeData
from strongroom.crypto.hpke import KemKey
from strongroom.crypto.signing import SigningKey

VECTORS = json.loads((Path(__file__).resolve().parent.parent / "vectors" / "attestation.json").read_text())


def golden(section, name):
    """The bytes at this place of the vectors."""
    return bytes.fromhex(VECTORS[section][name])


KEM_KEY = KemKey.from_raw(golden("keys", "kem_private"))
EXECUTION_KEY = SigningKey.from_raw(golden("keys", "execution_private"))
VAULT_KEY = SigningKey.from_raw(golden("keys", "vault_private"))
RELEASE_ID = golden("release", "release_id")


def runtime_data():
    """The runtime data of the vectors, made from their readable fields."""
    fields = VECTORS["runtime_data"]["fields"]
    execution = dict(fields["execution"])
    digests = {name: bytes.fromhex(execution.pop(name)) for name in list(execution) if name.endswith("_sha256")}
    return RuntimeData(
        kind=fields["kind"],
        challenge=ChallengeRef(
            nonce=bytes.fromhex(fields["challenge"]["nonce"]),
            exp_s=fields["challenge"]["exp"],
            vault_key_id=bytes.fromhex(fields["challenge"]["vault_key_id"]),
        ),
        execution=Execution(**execution, **digests),
        kem_pub=bytes.fromhex(fields["kem"]["pub"]),
        sig_pub=bytes.fromhex(fields["sig_pub"]),
        runner=RunnerBuild(**fields["runner"]),
        enclave_config_sha256=bytes.fromhex(fields["enclave_config_sha256"]),
        secrets=tuple((namespace, key) for namespace, key in fields["secrets"]),
    )


def challenge():
    """The challenge of the vectors."""
    data = runtime_data()
    return Challenge(
        nonce=data.challenge.nonce,
        exp_s=data.challenge.exp_s,
        execution_id=data.execution.execution_id,
        workflow_id=data.execution.workflow_id,
        owner=data.execution.owner,
        vault_key_id=data.challenge.vault_key_id,
    )


def ear():
    """The attestation result of the vectors."""
    runner = VECTORS["ear"]["claims"]["submods"]["runner"]
    return Ear(
        nonce=bytes(range(32)),
        report_data=golden("runtime_data", "report_data"),
        assurance="none",
        issued_s=1_800_000_010,
        build="strongroom-vault 0.1.0",
        vector=runner["ear_trustworthiness_vector"],
        policy_sha256=bytes.fromhex(runner["ear_appraisal_policy_ids"][0].removeprefix("sha256:")),
    )


def secrets():
    """The secrets of the vectors."""
    return (
        ReleasedSecret(namespace="custom-ns", key="SIGNING_KEY", version=3, value=b"k3y"),
        ReleasedSecret(namespace="main", key="API_KEY", version=1, value=b"s3cr3t"),
    )


def envelope():
    """The envelope of the vectors."""
    return Envelope(
        release_id=RELEASE_ID,
        report_data=golden("runtime_data", "report_data"),
        vault_key_id=golden("keys", "vault_key_id"),
        policy_epoch=7,
        issued_s=1_800_000_010,
        secrets=tuple((each.namespace, each.key, each.version) for each in secrets()),
        sealed=golden("release", "sealed_example"),
        ear=VECTORS["ear"]["jwt"].encode(),
    )


def signed_envelope():
    """The envelope of the vectors with its signature."""
    return Signed(golden("release", "envelope_cbor"), golden("release", "envelope_signature"))


def golden_result():
    """The result of the vectors."""
    return Result(
        execution_id=runtime_data().execution.execution_id,
        attempt=1,
        report_data=golden("runtime_data", "report_data"),
        status="succeeded",
        evidence_sha256=hashlib.sha256(b"evidence body").digest(),
        ear_sha256=bytes.fromhex(VECTORS["ear"]["sha256"]),
        result_sha256=hashlib.sha256(b"result").digest(),
        fuel=12345,
        secrets=tuple((each.namespace, each.key, each.version) for each in secrets()),
    )
