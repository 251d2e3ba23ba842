"""What a policy accepts that another does not, and that taking something away never lets something in."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.attest.policy_diff import newly_accepted
from tests.fakes.policies import (
    CONFIG,
    HARDWARE_KINDS,
    RELEASES,
    SIMULATED_KINDS,
    appraised,
    changed,
    claims,
    hexed,
    of,
    policy,
    values,
)

PIN = f"other 1.0 sha256:{hexed('record', 32)}"
STRICT = values((*HARDWARE_KINDS, *SIMULATED_KINDS))
for _path, _value in (
    ("release/only_attested_capabilities", True),
    ("release/min_assurance", "hardware"),
    ("insecure/allow_kinds", ["insecure-swtpm"]),
    ("sev-snp/chip_ids", [hexed("chip", 64)]),
    ("tpm2/firmware_versions", [17]),
    ("accept/sev-snp/0/smt", "deny"),
    ("accept/sev-snp/0/config_in_report", True),
    ("accept/nitro/0/enclave_configs", [CONFIG.hex()]),
    ("tdx/allow_dynamic_platform", False),
    ("tdx/allow_cached_keys", False),
    ("tdx/allow_smt", False),
):
    STRICT = changed(STRICT, _path, _value)

WIDER = [
    ("min_runner_svn", 0, "runners of version 0 to 0"),
    ("verifiers/load", [*STRICT["verifiers"]["load"], PIN], "other 1.0"),
    ("freshness/nonce_ttl_s", 90, "61 to 90"),
    ("freshness/max_skew_s", 301, "301 to 301"),
    ("release/require", "warning", "is not UpToDate"),
    ("release/min_assurance", "vtpm", "class vtpm"),
    ("release/only_attested_capabilities", False, "not attested"),
    ("sev-snp/min_tcb/Milan/snp", 22, "version 22 to 22"),
    ("sev-snp/min_tcb/Genoa", {"bl": 9, "tee": 9, "snp": 9, "ucode": 9}, "processors of Genoa"),
    ("sev-snp/csp_ids", ["CN=cloud", "CN=other"], "CN=other"),
    ("sev-snp/chip_ids", [hexed("chip", 64), hexed("second", 64)], hexed("second", 64)),
    ("sev-snp/chip_ids", ..., "any chip"),
    ("tdx/tcb_status", ["UpToDate", "OutOfDate"], "OutOfDate"),
    ("tdx/reject_advisories", [], "INTEL-SA-00001"),
    ("sgx/min_evaluation_number", 17, "number 17 to 17"),
    ("sgx/max_collateral_age_days", 31, "31 to 31"),
    ("tdx/allow_dynamic_platform", True, "are so"),
    ("tdx/allow_cached_keys", True, "are so"),
    ("tdx/allow_smt", True, "are so"),
    ("tpm2/ek_anchors", [hexed("ek", 32), hexed("ek2", 32)], hexed("ek2", 32)),
    ("tpm2/aks", [STRICT["tpm2"]["aks"][0], "000b" + hexed("ak2", 32)], "000b"),
    ("tpm2/firmware_versions", [17, 18], "18"),
    ("tpm2/firmware_versions", ..., "any firmware"),
    ("insecure/allow_kinds", ["insecure-swtpm", "insecure-software"], "insecure-software"),
    ("insecure/anchors", [hexed("ca", 32)], hexed("ca", 32)),
]


@pytest.mark.parametrize(("path", "value", "what"), WIDER, ids=lambda value: str(value)[:30])
def test_every_line_that_is_wider_is_named_and_the_other_way_round_is_none(path, value, what):
    old, new = policy(STRICT), policy(changed(STRICT, path, value))
    (found,) = newly_accepted(old, new)
    assert found.where.startswith(f"policy.toml:{path.replace('/', '.')}")
    assert what in found.what
    assert newly_accepted(new, old) == ()


WIDER_RELEASES = [
    ("nitro/0/pcr8", ..., "pcr8 no longer matters"),
    ("nitro/0/pcr0", hexed("new"), f"pcr0 {hexed('new')}"),
    ("nitro/0/enclave_configs", ..., "enclave_configs no longer matters"),
    ("nitro/0/enclave_configs", [CONFIG.hex(), hexed("c", 32)], "enclave_configs"),
    ("sev-snp/0/vmpl", [0, 1], "vmpl 0 or 1"),
    ("sev-snp/0/smt", "allow", "smt no longer matters"),
    ("sev-snp/0/config_in_report", False, "config_in_report no longer matters"),
    ("sgx/0/min_isv_svn", 4, "min_isv_svn at least 4"),
    ("tpm2/0/pcrs", {"0": hexed("p0", 32)}, "pcrs 0; pcrs.7 no longer matters"),
]


@pytest.mark.parametrize(("path", "value", "what"), WIDER_RELEASES, ids=lambda value: str(value)[:30])
def test_a_release_that_accepts_more_is_named_with_the_fields_that_do(path, value, what):
    kind = path.split("/")[0]
    (found,) = newly_accepted(policy(STRICT), policy(changed(STRICT, f"accept/{path}", value)))
    assert found.where == f"policy.toml:accept.{kind}.runner-1.4.0"
    assert what in found.what


def test_a_new_release_and_a_new_section_are_named():
    first = STRICT["accept"]["nitro"][0]
    second = {**first, "name": "runner-1.5.0", "pcr0": hexed("new")}
    new = policy(changed(STRICT, "accept/nitro", [first, second]))
    (found,) = newly_accepted(policy(STRICT), new)
    assert found.where.endswith("accept.nitro.runner-1.5.0")
    assert found.what.startswith(f"a new release: pcr0 {hexed('new')}")
    for section in ("sev-snp", "tdx", "sgx", "tpm2"):
        (found,) = newly_accepted(policy(changed(STRICT, section)), policy(STRICT))
        assert found.where == f"policy.toml:{section}"


def test_a_policy_for_tests_is_wider_than_one_for_production():
    production, test = policy(), policy(changed(values(), "profile", "test"))
    assert [each.where for each in newly_accepted(production, test)] == ["policy.toml:profile"]
    assert newly_accepted(test, production) == ()


def test_another_name_epoch_or_order_accepts_nothing_new():
    other = changed(changed(STRICT, "epoch", 9), "accept/nitro/0/name", "renamed")
    other = changed(other, "accept", dict(reversed(other["accept"].items())))
    assert newly_accepted(policy(STRICT), policy(other)) == ()
    assert newly_accepted(policy(STRICT), policy(STRICT)) == ()
    stricter = changed(STRICT, "accept/nitro/0/pcr9", hexed("pcr9"))
    assert newly_accepted(policy(STRICT), policy(stricter)) == ()


# --- taking an accepted value away ---------------------------------------------------------------------------------

LISTS = (
    "sev-snp/csp_ids",
    "sev-snp/chip_ids",
    "tdx/tcb_status",
    "sgx/tcb_status",
    "tpm2/ek_anchors",
    "tpm2/aks",
    "tpm2/firmware_versions",
    "accept/nitro/0/enclave_configs",
    "accept/sev-snp/0/vmpl",
    "accept/sev-snp/1/vmpl",
)
WIDE = values()
for _kind in ("nitro", "sev-snp"):
    _first = {"name": "first", **RELEASES[_kind]}
    _second = changed({**_first, "name": "second"}, "pcr0" if _kind == "nitro" else "measurement", hexed("second"))
    WIDE = changed(WIDE, f"accept/{_kind}", [_first, _second])
for _path, _value in (
    ("sev-snp/csp_ids", ["CN=cloud", "CN=other"]),
    ("sev-snp/chip_ids", [hexed("chip", 64), hexed("chip2", 64)]),
    ("sev-snp/min_tcb/Genoa", {"bl": 0, "tee": 0, "snp": 0, "ucode": 0}),
    ("tdx/tcb_status", ["UpToDate", "OutOfDate"]),
    ("sgx/tcb_status", ["UpToDate", "OutOfDate"]),
    ("tpm2/ek_anchors", [hexed("ek", 32), hexed("ek2", 32)]),
    ("tpm2/firmware_versions", [17, 18]),
    ("accept/nitro/0/enclave_configs", [CONFIG.hex(), hexed("c", 32)]),
    ("accept/sev-snp/0/vmpl", [0, 1]),
    ("accept/sev-snp/1/vmpl", [2, 0]),
):
    WIDE = changed(WIDE, _path, _value)

FACT_CHANGES = {
    "nitro": [{}, {"pcr0": of("second")}, {"pcr1": of("x")}, {"pcr8": of("x")}],
    "sev-snp": [
        {"vmpl": vmpl, "product": product, **more}
        for vmpl in (0, 1, 2)
        for product in ("Milan", "Genoa")
        for more in ({}, {"measurement": of("second")}, {"chip_id": of("chip2", 64)}, {"debug": True})
    ],
    "tdx": [{"tcb_status": status} for status in ("UpToDate", "OutOfDate", "Revoked")],
    "sgx": [{"tcb_status": status} for status in ("UpToDate", "OutOfDate")],
    "tpm2": [{"firmware_version": number} for number in (17, 18, 19)],
}
RANK = {"affirming": 0, "warning": 1, "contraindicated": 2}


def removals(found):
    """Everything that is accepted and can be taken away by itself."""
    for path in LISTS:
        place = found
        for part in path.split("/"):
            place = place[int(part) if part.isdigit() else part]
        for value in place:
            yield path, [each for each in place if each != value]
    for kind, entries in found["accept"].items():
        for entry in entries:
            rest = [each for each in entries if each is not entry]
            yield (f"accept/{kind}", rest) if rest else (f"accept/{kind}", ...)
    for product in found["sev-snp"]["min_tcb"]:
        yield f"sev-snp/min_tcb/{product}", ...
    for section in ("sev-snp", "tdx", "sgx", "tpm2"):
        yield section, ...
    for flag in ("allow_dynamic_platform", "allow_cached_keys", "allow_smt"):
        yield f"tdx/{flag}", False


REMOVALS = list(removals(WIDE))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(kind, facts) for kind, changes in FACT_CHANGES.items() for facts in changes]),
    st.lists(st.sampled_from(REMOVALS), min_size=1, max_size=4),
)
def test_taking_an_accepted_value_away_never_turns_a_refusal_into_an_acceptance(case, taken):
    kind, facts = case
    fewer = WIDE
    # The inner ones first: what a table held cannot go after the table.
    for path, value in sorted(taken, key=lambda each: -each[0].count("/")):
        with contextlib.suppress(KeyError):
            fewer = changed(fewer, path, value)
    after = policy(fewer)
    before, found = policy(WIDE), claims(kind, **facts)
    assert newly_accepted(before, after) == ()
    assert RANK[appraised(found, WIDE).status] <= RANK[appraised(found, fewer).status]


def test_each_removal_is_seen_as_one_by_the_difference():
    assert len(REMOVALS) > 30
    for path, value in REMOVALS:
        after = policy(changed(WIDE, path, value))
        assert newly_accepted(policy(WIDE), after) == (), path
        assert newly_accepted(after, policy(WIDE)), path
