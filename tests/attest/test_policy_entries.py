"""Accepted releases in a policy: what an entry must name, what it may leave out, and what it may not say."""

import pytest

from strongroom.attest import codes
from strongroom.attest.policy import parse_policy
from strongroom.errors import Misconfigured
from tests.fakes.policies import FILE, SIMULATED_KINDS, changed, policy, toml, values


def refused_at(found):
    """Where the policy is refused."""
    with pytest.raises(Misconfigured) as caught:
        parse_policy(toml(found), file=FILE)
    assert caught.value.code == codes.POLICY_INVALID
    return caught.value.details["where"]


RELEASE_FAULTS = [
    ("nitro/0/name", "two words"),
    ("nitro/0/name", ...),
    ("nitro/0/pcr1", ...),
    ("nitro/0/pcr0", "ab" * 47),
    ("nitro/0/pcr0", "AB" * 48),
    ("nitro/0/pcr2", "00" * 48),
    ("nitro/0/enclave_configs", ["ab"]),
    ("nitro/0/pcr3", "00" * 48),
    ("sev-snp/0/measurement", ...),
    ("az-snp-vtpm/0/measurement", ...),
    ("az-snp-vtpm/0/pcrs", ...),
    ("tpm2/0/pcrs", ...),
    ("tpm2/0/pcrs", ["0"]),
    ("sgx/0/mr_signer", "00" * 32),
    ("sev-snp/0/vmpl", [4]),
    ("sev-snp/0/vmpl", 0),
    ("sev-snp/0/smt", True),
    ("sev-snp/0/measurement", "00" * 48),
    ("sev-snp/0/config_in_report", "yes"),
    ("tdx/0/mr_td", ...),
    ("tdx/0/rtmr1", 1),
    ("sgx/0/min_isv_svn", 65536),
    ("sgx/0/isv_prod_id", -1),
    ("tpm2/0/pcrs", {}),
    ("tpm2/0/pcrs/7", "00"),
    ("az-snp-vtpm/0/pcrs", {}),
]


@pytest.mark.parametrize(("path", "value"), RELEASE_FAULTS, ids=lambda value: str(value)[:40])
def test_a_release_that_is_not_whole_is_refused_by_its_place(path, value):
    kind, _, key = path.split("/", 2)
    where = refused_at(changed(values(), f"accept/{path}", value))
    assert where.startswith(f"policy.toml:accept.{kind}[0].{key.split('/')[0]}"), where


def test_a_signer_alone_names_no_code():
    for key in ("mr_signer", "isv_prod_id", "min_isv_svn"):
        assert refused_at(changed(values(), f"accept/sgx/0/{key}")) == "policy.toml:accept.sgx[0].mr_enclave"


def test_two_entries_of_one_name_are_refused():
    entry = values()["accept"]["nitro"][0]
    assert refused_at(changed(values(), "accept/nitro", [entry, entry])) == "policy.toml:accept.nitro[1].name"
    other = changed(changed(values(), "accept/nitro", [entry]), "accept/tdx/0/name", entry["name"])
    assert policy(other), "two kinds may have entries of one name"


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_a_simulation_is_named_by_its_measurement_as_well(kind):
    (key,) = set(values((kind,))["accept"][kind][0]) - {"name"}
    for value in (..., {} if key == "pcrs" else "00" * 32):
        where = refused_at(changed(values((kind,)), f"accept/{kind}/0/{key}", value))
        assert where == f"policy.toml:accept.{kind}[0].{key}"


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("nitro/0/pcr9", 48),
        ("sev-snp/0/id_key_digest", 48),
        ("sev-snp/0/author_key_digest", 48),
        ("tdx/0/rtmr3", 48),
        ("tpm2/0/pcrs/16", 32),
    ],
)
def test_what_does_not_name_the_code_may_be_zero(path, size):
    assert policy(changed(values(), f"accept/{path}", "00" * size))
