"""The execution of the golden values: keys, runtime data and messages that two independent encoders agree on.

Source: contracts/attestation.md, appendix A. The keys are for tests only.
"""

import json
from pathlib import Path

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
