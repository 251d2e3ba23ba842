"""A policy of every kind as values that tests change, and evidence, hand-made as claims, that it accepts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.evidence import Claims
from strongroom.attest.policy import parse_policy
from tests.fakes.golden_release import runtime_data

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
FILE = "policy.toml"
CONFIG = sha256(b"enclave-config").digest()


def of(name, size=48):
    """Bytes that stand for this name."""
    return (sha256(name.encode()).digest() * 3)[:size]


def hexed(name, size=48):
    """The same as a policy writes them."""
    return of(name, size).hex()


TCB = {"bl": 4, "tee": 0, "snp": 23, "ucode": 213}
AK_NAME = bytes.fromhex("000b") + of("ak", 32)
INTEL = {
    "tcb_status": ["UpToDate"],
    "reject_advisories": ["INTEL-SA-00001"],
    "min_evaluation_number": 18,
    "max_collateral_age_days": 30,
    "allow_dynamic_platform": True,
    "allow_cached_keys": True,
    "allow_smt": True,
}
PCRS = {"0": hexed("p0", 32), "7": hexed("p7", 32)}
RELEASES = {
    "nitro": {"pcr0": hexed("pcr0"), "pcr1": hexed("pcr1"), "pcr2": hexed("pcr2"), "pcr8": hexed("pcr8")},
    "sev-snp": {"measurement": hexed("snp"), "vmpl": [0], "smt": "allow"},
    "tdx": {"mr_td": hexed("td"), "rtmr1": hexed("r1"), "rtmr2": hexed("r2")},
    "sgx": {"mr_signer": hexed("signer", 32), "isv_prod_id": 3, "min_isv_svn": 5},
    "tpm2": {"pcrs": PCRS},
    "az-snp-vtpm": {"measurement": hexed("snp"), "smt": "allow", "pcrs": PCRS},
    "insecure-swtpm": {"pcrs": PCRS},
    "insecure-software": {"measurement": hexed("runner", 32)},
}
HARDWARE_KINDS = ("nitro", "sev-snp", "az-snp-vtpm", "tdx", "sgx", "tpm2")
SIMULATED_KINDS = ("insecure-swtpm", "insecure-software")


def values(kinds=HARDWARE_KINDS):
    """A production policy for ``kinds``, or a test one where a simulation is among them."""
    is_test = bool(set(kinds) & set(SIMULATED_KINDS))
    return {
        "profile": "test" if is_test else "production",
        "epoch": 7,
        "min_runner_svn": 1,
        "verifiers": {"load": [f"strongroom 0.1.0 sha256:{hexed('record', 32)}"]},
        "freshness": {"nonce_ttl_s": 60, "max_skew_s": 300},
        "accept": {kind: [{"name": "runner-1.4.0", **RELEASES[kind]}] for kind in kinds},
        "release": {"require": "affirming", "min_assurance": "none" if is_test else "vtpm"},
        "sev-snp": {"min_tcb": {"Milan": dict(TCB)}, "csp_ids": ["CN=cloud"]},
        "tdx": dict(INTEL),
        "sgx": dict(INTEL),
        "tpm2": {"ek_anchors": [hexed("ek", 32)], "aks": [AK_NAME.hex()]},
        "insecure": {"allow_kinds": [*set(kinds) & set(SIMULATED_KINDS)], "anchors": []},
    }


def changed(base, path, value=...):
    """``base`` with ``value`` at a dotted path (numbers are places in a list); without a value the key goes."""
    if isinstance(path, str):
        path = path.split("/")
    key = int(path[0]) if isinstance(base, list) else path[0]
    copy = list(base) if isinstance(base, list) else dict(base)
    if len(path) > 1:
        copy[key] = changed(copy.get(key, {}) if isinstance(copy, dict) else copy[key], path[1:], value)
    elif value is ...:
        del copy[key]
    else:
        copy[key] = value
    return copy


def toml(found):
    """Values as a file."""
    return "".join(f'"{key}" = {_inline(each)}\n' for key, each in found.items()).encode()


def _inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_inline(each)}' for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def policy(found=None):
    """The policy that these values are."""
    return parse_policy(toml(found or values()), file=FILE)


SNP_FACTS = {
    "debug": False,
    "migrate_ma": False,
    "smt_allowed": True,
    "vmpl": 0,
    "measurement": of("snp"),
    "host_data": bytes(32),
    "id_key_digest": bytes(48),
    "author_key_digest": bytes(48),
    "signing_key": "vcek",
    "chip_id": of("chip", 64),
    "product": "Milan",
    "reported_tcb": dict(TCB),
    "committed_tcb": {**TCB, "snp": 24},
    "current_tcb": {**TCB, "snp": 24},
}
INTEL_FACTS = {
    "tcb_status": "UpToDate",
    "advisories": (),
    "evaluation_number": 18,
    "collateral_issued": NOW - timedelta(days=1),
    "dynamic_platform": True,
    "cached_keys": True,
    "smt_enabled": True,
}
QUOTE_FACTS = {
    "pcrs": {0: of("p0", 32), 7: of("p7", 32)},
    "reset_count": 4,
    "restart_count": 2,
    "firmware_version": 17,
}
FACTS = {
    "nitro": {name: of(name) for name in ("pcr0", "pcr1", "pcr2", "pcr3", "pcr4", "pcr8")},
    "sev-snp": SNP_FACTS,
    "az-snp-vtpm": {**SNP_FACTS, **QUOTE_FACTS},
    "tdx": {
        **INTEL_FACTS,
        "td_attributes": bytes.fromhex("0000001000000000"),
        "mr_service_td": bytes(48),
        "mr_td": of("td"),
        "mr_config_id": bytes(48),
        **{f"rtmr{number}": of(f"r{number}") for number in range(4)},
    },
    "sgx": {
        **INTEL_FACTS,
        "attributes": bytes.fromhex("05000000000000000700000000000000"),
        "mr_enclave": of("enclave", 32),
        "mr_signer": of("signer", 32),
        "isv_prod_id": 3,
        "isv_svn": 5,
        "config_id": bytes(64),
    },
    "tpm2": {**QUOTE_FACTS, "ak_name": AK_NAME, "is_ek_anchored": True},
    "insecure-swtpm": {**QUOTE_FACTS, "ak_name": AK_NAME},
    "insecure-software": {"measurement": of("runner", 32)},
}
CLASS = {"tpm2": "vtpm", "insecure-swtpm": "none", "insecure-software": "none"}


def claims(kind, *, is_bound=True, assurance=None, **facts):
    """Claims that ``values`` accepts, with these facts changed; ``...`` leaves one out."""
    found = {name: value for name, value in {**FACTS[kind], **facts}.items() if value is not ...}
    assurance = assurance or CLASS.get(kind, "hardware")
    return Claims(kind=kind, assurance=assurance, is_bound=is_bound, evidence=b"evidence", facts=found)


def data(kind):
    """Runtime data of this kind."""
    return replace(runtime_data(), kind=kind, enclave_config_sha256=CONFIG)


def appraised(found, rules=None, *, now=NOW, **expected):
    """The report about ``found`` under these policy values, bound to its execution."""
    kinds = (found.kind,) if found.kind in SIMULATED_KINDS else HARDWARE_KINDS
    wanted = {"data": data(found.kind), "enclave_configs": frozenset({CONFIG}), **expected}
    return appraise(found, policy(rules or values(kinds)), Expected(**wanted), now=now)


def refused_alone(report, code, element, *, value=96, key=""):
    """Assert that the report refuses for this and for nothing else, and says why."""
    assert report.status == "contraindicated"
    assert report.code == code, report.refusal
    assert report.vector[element] == value
    ref = f"policy.toml:{key}" if key else ""
    assert report.refusal.policy_ref == ref
    assert report.refusal.got
    assert report.refusal.wanted
    failed = [each for each in report.checks if not each.is_passed and not each.id.endswith("/release")]
    assert {each.code for each in failed} == {code}, failed
    return report.refusal
