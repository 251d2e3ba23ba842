"""The policy that ships as an example: it holds, and it refuses what a production policy must."""

import tomllib
from pathlib import Path

import pytest

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.policy import PRODUCTION, open_policy
from strongroom.errors import Misconfigured
from tests.fakes.policies import appraised, claims

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "policies"


def opened(data=None):
    data = data or (FOLDER / "production.toml").read_bytes()
    signature = (FOLDER / "production.toml.sig").read_bytes()
    public = bytes.fromhex((FOLDER / "production.pub").read_text().strip())
    return open_policy(data, signature, public=public, file="production.toml")


def test_it_is_a_production_policy_and_its_signature_holds():
    policy = opened()
    assert (policy.profile, policy.release.min_assurance) == (PRODUCTION, "hardware")
    assert {each.kind for each in policy.entries} == {"nitro", "sev-snp"}
    assert policy.insecure.allow_kinds == ()
    with pytest.raises(Misconfigured, match="signature"):
        opened((FOLDER / "production.toml").read_bytes() + b"\n")


@pytest.mark.parametrize("kind", sorted(INSECURE_KINDS))
def test_it_refuses_simulations(kind):
    report = appraised(claims(kind), tomllib.loads((FOLDER / "production.toml").read_text()))
    assert (report.code, report.status) == ("SR-ATTEST-026", "contraindicated")
