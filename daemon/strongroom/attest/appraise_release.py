"""What runs, and how it is configured: accepted releases, the runner's version, and the enclave's configuration.

Rule 1: the fields of one accepted release are compared together; two releases are never mixed.
Rule 2: somebody must say which configuration is good, the vault or the release, and whoever says so is heeded.
Source: contracts/attestation.md 13 and 16.
"""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.attest.appraise_kinds import Facts
from strongroom.attest.ar4si import CONFIGURATION, EXECUTABLES
from strongroom.attest.codes import CONFIG, MEASUREMENT, RUNNER_SVN
from strongroom.attest.demands import Entry, shown
from strongroom.attest.evidence import Claims, is_same
from strongroom.attest.findings import Findings
from strongroom.attest.policy import Policy
from strongroom.attest.policy_entries import CONFIG_FACT, CONFIG_IN_REPORT, SELECTION_FACT
from strongroom.attest.runtime_data import RuntimeData

__all__ = ["check_config", "check_entries", "check_runner", "facts_of"]

# Kind -> the field of the report that its launcher may set to the digest of the enclave's configuration.
_CONFIG_FIELDS: Final = {"sev-snp": "host_data", "tdx": "mr_config_id", "sgx": "config_id"}
_NAME_CONFIG: Final = (
    "Say which is good: with `--enclave-config keys/enclave-config.cbor`, the vault's own file, or with "
    "`enclave_configs` in the entry of the policy. A vault takes those in its `enclave_config_files`."
)


def facts_of(claims: Claims, data: RuntimeData | None) -> Facts:
    """The facts, and what follows from them by the names that policies use."""
    facts: dict[str, Any] = dict(claims.facts)  # Any: see Claims
    pcrs = facts.get("pcrs")
    if isinstance(pcrs, Mapping):
        facts[SELECTION_FACT] = tuple(sorted(pcrs))
        facts |= {f"pcr{number}": value for number, value in pcrs.items()}
    field = facts.get(_CONFIG_FIELDS.get(claims.kind, ""))
    facts[CONFIG_IN_REPORT] = isinstance(field, bytes) and any(field)
    # The runtime data alone know the configuration; a verifier's word for it would be another thing.
    facts.pop(CONFIG_FACT, None)
    if data is not None:
        facts[CONFIG_FACT] = data.enclave_config_sha256
    return facts


def check_entries(kind: str, facts: Facts, policy: Policy, found: Findings) -> Entry | None:
    """The accepted release that matches. Without one, say how the nearest differs."""
    entries = policy.entries_of(kind)
    matching = next((each for each in entries if _misses(each, facts) == (0, 0)), None)
    nearest = matching or min(entries, key=lambda each: _misses(each, facts))
    for demand in nearest.demands:
        found.check(
            f"{kind}/release {demand.key}",
            demand.accepts(facts),
            element=demand.element,
            code=demand.code,
            got=shown(facts.get(demand.fact)),
            wanted=demand.wanted(),
            key=f"accept.{kind}.{nearest.name}.{demand.key}",
        )
    found.check(
        f"{kind}/release",
        matching is not None,
        element=EXECUTABLES,
        code=MEASUREMENT,
        got=f"release {matching.name}" if matching else f"none of {len(entries)}; {nearest.name} is the nearest",
        wanted="one accepted release, with all its fields",
        key=f"accept.{kind}",
    )
    return matching


def _misses(entry: Entry, facts: Facts) -> tuple[int, int]:
    """How many demands are not met, those about what runs first: they say which release is meant."""
    missed = [each for each in entry.demands if not each.accepts(facts)]
    return sum(each.element == EXECUTABLES for each in missed), len(missed)


def check_runner(data: RuntimeData | None, policy: Policy, found: Findings) -> None:
    wanted = f"at least {policy.min_runner_svn}"
    if data is None:
        found.skip("runner svn", element=EXECUTABLES, code=RUNNER_SVN, wanted=wanted)
        return
    found.check(
        "runner svn",
        data.runner.svn >= policy.min_runner_svn,
        element=EXECUTABLES,
        code=RUNNER_SVN,
        got=str(data.runner.svn),
        wanted=wanted,
        key="min_runner_svn",
    )


def check_config(kind: str, facts: Facts, entry: Entry | None, known: frozenset[bytes] | None, found: Findings) -> None:
    """``known`` are the configurations that the vault takes for good, None where it leaves that to the policy.

    A genuine enclave with a forged configuration must not pass: somebody must say which configuration is good."""
    check = "enclave configuration"
    config = facts.get(CONFIG_FACT)
    if not isinstance(config, bytes):
        found.skip(check, element=CONFIGURATION, code=CONFIG, wanted="runtime data that name it")
        return
    # Where the release names configurations, ``check_entries`` has compared them.
    is_named = entry is not None and any(each.fact == CONFIG_FACT for each in entry.demands)
    if known is not None or not is_named:
        found.check(
            check,
            known is not None and any(is_same(config, each) for each in known),
            element=CONFIGURATION,
            code=CONFIG,
            got=config.hex(),
            wanted=shown(tuple(sorted(known))) if known else "one that the vault or the policy names",
            key="" if known is not None else f"accept.{kind}",
            fix=_NAME_CONFIG if known is None else "",
        )
    field = _CONFIG_FIELDS.get(kind)
    if field is not None and facts[CONFIG_IN_REPORT]:
        value = facts[field]
        found.check(
            f"{kind} {field}",
            is_same(value, config.ljust(len(value), b"\0")),
            element=CONFIGURATION,
            code=CONFIG,
            got=value.hex(),
            wanted=f"{config.hex()}, padded with zeros",
        )
