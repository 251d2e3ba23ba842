"""A receipt of a simulated execution, made as runner and vault make one, with every part open to change."""

import dataclasses
import hashlib

from strongroom.attest.ear import make_ear
from strongroom.attest.receipt import Receipt
from strongroom.attest.result import sign_result
from strongroom.attest.runtime_data import report_data_of
from strongroom.attest.software import software_evidence
from tests.fakes import golden_release
from tests.fakes.golden_release import EXECUTION_KEY, VAULT_KEY
from tests.fakes.pki_software import KEY, MEASUREMENT, authority, certified


def evidence_of(data):
    """Evidence for this runtime data."""
    return software_evidence(
        data.report_data(),
        data.challenge.nonce,
        measurement=MEASUREMENT,
        key=KEY,
        certificate=certified(),
        authority=authority().certificate,
    )


def receipt_of(
    *, data=None, evidence=None, ear=None, ear_changes=None, result_changes=None, key=EXECUTION_KEY, **changes
):
    """A receipt that holds, but for what is changed."""
    data = data or golden_release.runtime_data()
    encoded = data.encode()
    report_data = report_data_of(encoded)
    evidence = evidence or evidence_of(data)
    made = dataclasses.replace(golden_release.ear(), report_data=report_data, **(ear_changes or {}))
    jwt = ear or make_ear(made, VAULT_KEY)
    result = dataclasses.replace(
        golden_release.golden_result(),
        **{
            "report_data": report_data,
            "evidence_sha256": hashlib.sha256(evidence.body).digest(),
            "ear_sha256": hashlib.sha256(jwt).digest(),
            **(result_changes or {}),
        },
    )
    fields = {
        "protocol": "native",
        "result": sign_result(result, key),
        "runtime_data": encoded,
        "evidence": evidence,
        "ear": jwt,
        "vault_public_key": VAULT_KEY.public,
        "policy_sha256": made.policy_sha256,
        "assurance": "none",
        "vault": "co-located",
    }
    return Receipt(**{**fields, **changes})
