"""The policy of a vault: which evidence it accepts. A TOML file, signed by whoever answers for it.

Rule 1: the signature is looked at before anything else, and the bytes that were signed are the ones that are read.
Rule 2: unknown keys are errors, an empty list accepts nothing, and a kind without its section is refused.
Rule 3: nothing in it allows debugging, ignores expiry, skips a nonce or accepts a revoked platform.
Rule 4: a simulation is accepted by a test policy only; a production policy that names one is no policy.
Source: contracts/attestation.md 16 and 17.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.attest.anchors import PINNED
from strongroom.attest.assurance import INSECURE_KINDS, KINDS, is_at_least
from strongroom.attest.codes import POLICY_EPOCH
from strongroom.attest.demands import Entry
from strongroom.attest.evidence import VTPM, is_same
from strongroom.attest.policy_entries import read_entries
from strongroom.attest.policy_sections import (
    Freshness,
    Insecure,
    IntelPlatform,
    Release,
    Snp,
    Tpm2,
    VerifierPin,
    read_freshness,
    read_insecure,
    read_intel,
    read_release,
    read_snp,
    read_tpm2,
    read_verifiers,
)
from strongroom.attest.policy_values import Table, invalid
from strongroom.crypto.signing import SigningKey, is_signed
from strongroom.errors import Misconfigured

__all__ = [
    "OTHER_CONTENT_SIGNED",
    "POLICY_BYTES_MAX",
    "PRODUCTION",
    "TEST",
    "Policy",
    "check_epoch",
    "missing_fix",
    "open_policy",
    "parse_policy",
    "sign_policy",
]

PRODUCTION: Final = "production"
TEST: Final = "test"
POLICY_BYTES_MAX: Final = 256 * 1024
"""Of the file: hundreds of releases of every kind, and still something that a person can review."""
LINE_DOTS_MAX: Final = 128
"""In one line. The parser keeps every beginning of a dotted key: one of a hundred thousand parts takes all memory."""
EPOCH_MAX: Final = 2**63 - 1
RUNNER_SVN_MAX: Final = 2**32 - 1
POLICY_TAG: Final = "policy"
OTHER_CONTENT_SIGNED: Final = (
    "the signature that was there is of another content: a vault that had that in force with epoch {epoch} refuses "
    "this one (SR-ATTEST-028) until its epoch is higher"
)
"""What whoever signs is told: the content that was signed before is gone, and with it the epoch that it had."""
_TOP_KEYS: Final = (
    "profile",
    "epoch",
    "min_runner_svn",
    "verifiers",
    "freshness",
    "accept",
    "release",
    "sev-snp",
    "tdx",
    "sgx",
    "tpm2",
    "insecure",
)
_SECTIONS_OF: Final = {"sev-snp": "sev-snp", "az-snp-vtpm": "sev-snp", "tdx": "tdx", "sgx": "sgx", "tpm2": "tpm2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy file that holds. ``file`` is its name for people, ``sha256`` the digest of its bytes."""

    file: str
    sha256: bytes
    profile: str
    epoch: int
    min_runner_svn: int
    verifiers: tuple[VerifierPin, ...]
    freshness: Freshness
    entries: tuple[Entry, ...]
    release: Release
    snp: Snp | None
    tdx: IntelPlatform | None
    sgx: IntelPlatform | None
    tpm2: Tpm2 | None
    insecure: Insecure

    def where(self, key: str) -> str:
        """``file:dotted.key``."""
        return f"{self.file}:{key}"

    def entries_of(self, kind: str) -> tuple[Entry, ...]:
        """The accepted releases of ``kind``, in the order of the file."""
        return tuple(each for each in self.entries if each.kind == kind)

    def missing_section(self, kind: str) -> str:
        """The key without which ``kind`` is refused, as dotted key; empty where nothing is missing."""
        if kind not in KINDS or not self.entries_of(kind):
            return f"accept.{kind}"
        sections = {"sev-snp": self.snp, "tdx": self.tdx, "sgx": self.sgx, "tpm2": self.tpm2}
        needed = _SECTIONS_OF.get(kind)
        return needed if needed is not None and sections[needed] is None else ""

    def anchors(self) -> Mapping[str, frozenset[str]]:
        """The trust anchors of each kind, hex. Those of hardware are in the code; a policy names the others."""
        named = frozenset(each.hex() for each in self.tpm2.ek_anchors) if self.tpm2 is not None else frozenset()
        simulated = frozenset(each.hex() for each in self.insecure.anchors)
        return {**PINNED, "tpm2": named, **dict.fromkeys(INSECURE_KINDS, simulated)}


def missing_fix(policy: Policy, kind: str) -> str:
    """What to do about the section that ``Policy.missing_section`` names; empty for none."""
    section = policy.missing_section(kind)
    if not section:
        return ""
    if kind not in KINDS:
        return f"No policy accepts it: the kinds are {', '.join(KINDS)}."
    if kind in INSECURE_KINDS and policy.profile == PRODUCTION:
        return (
            f"Use hardware: a production policy accepts no simulation, and only a test policy may have [[{section}]]."
        )
    brackets = f"[[{section}]]" if section.startswith("accept.") else f"[{section}]"
    return f"Add {brackets} to the policy if it should accept this kind, raise its epoch and sign it."


def open_policy(untrusted: bytes, signature: bytes, *, public: bytes, file: str) -> Policy:
    """The policy in ``untrusted``, signed by the raw Ed25519 key ``public``, which the vault pins.

    ``file`` is what errors call it. Raises ``Misconfigured``.
    """
    _check_size(untrusted, file)
    if not is_signed(public, POLICY_TAG, untrusted, signature):
        raise invalid(file, f"its signature is missing, or not one by the key {hashlib.sha256(public).hexdigest()}")
    return parse_policy(untrusted, file=file)


def sign_policy(data: bytes, key: SigningKey) -> bytes:
    """The signature of a policy file, 64 bytes. Raises ``Misconfigured`` for a file that is no policy."""
    parse_policy(data, file="policy")
    return key.sign(POLICY_TAG, data)


def check_epoch(
    policy: Policy, *, stored_epoch: int, stored_runner_svn: int = 0, stored_sha256: bytes | None = None
) -> None:
    """Raise ``Misconfigured`` for a policy that goes back behind what the vault has stored: both numbers only grow, and
    an epoch means one policy. ``stored_sha256`` is the digest of that of ``stored_epoch``, None where nobody knows."""
    for key, found, stored in (
        ("epoch", policy.epoch, stored_epoch),
        ("min_runner_svn", policy.min_runner_svn, stored_runner_svn),
    ):
        if found < stored:
            raise Misconfigured(
                POLICY_EPOCH,
                f"{policy.where(key)} is {found}, and {stored} was in force already",
                why="an older policy may accept what was found to be bad since",
                fix="use the newest policy; a change of policy has a higher epoch",
                where=policy.where(key),
            )
    if stored_sha256 is not None and policy.epoch == stored_epoch and not is_same(policy.sha256, stored_sha256):
        raise Misconfigured(
            POLICY_EPOCH,
            f"{policy.where('epoch')} is {policy.epoch}, and another policy of this epoch was in force already",
            why=f"its SHA-256 was {stored_sha256.hex()}, and which of the two is older nobody can tell",
            fix=f"use that one, or raise epoch to {policy.epoch + 1} or more and sign it again",
            where=policy.where("epoch"),
        )


def parse_policy(untrusted: bytes, *, file: str) -> Policy:
    """The policy in ``untrusted``, whoever wrote it. Raises ``Misconfigured``.

    For showing, comparing and testing policies: what decides about secrets takes ``open_policy``.
    """
    _check_size(untrusted, file)
    top = Table(file, _toml(untrusted, file), _TOP_KEYS)
    policy = Policy(
        file=file,
        sha256=hashlib.sha256(untrusted).digest(),
        profile=top.choice("profile", [PRODUCTION, TEST]),
        epoch=top.integer("epoch", 1, EPOCH_MAX),
        min_runner_svn=top.integer("min_runner_svn", 0, RUNNER_SVN_MAX),
        verifiers=read_verifiers(top),
        freshness=read_freshness(top),
        entries=read_entries(top.table("accept", KINDS)),
        release=read_release(top),
        snp=read_snp(top),
        tdx=read_intel(top, "tdx"),
        sgx=read_intel(top, "sgx"),
        tpm2=read_tpm2(top),
        insecure=read_insecure(top),
    )
    if policy.profile == PRODUCTION:
        _check_production(policy)
    return policy


def _check_production(policy: Policy) -> None:
    """Refuse everything that a production policy may not even mention."""
    simulated = [each.kind for each in policy.entries if each.kind in INSECURE_KINDS]
    named = [(f"accept.{kind}", True) for kind in simulated]
    named += [("insecure.allow_kinds", bool(policy.insecure.allow_kinds))]
    named += [("insecure.anchors", bool(policy.insecure.anchors))]
    for key, is_there in named:
        if is_there:
            raise invalid(policy.where(key), 'a simulation is accepted with profile = "test" only')
    if not is_at_least(policy.release.min_assurance, VTPM):
        raise invalid(policy.where("release.min_assurance"), f"with this profile it must be {VTPM} or hardware")


def _check_size(untrusted: bytes, file: str) -> None:
    if len(untrusted) > POLICY_BYTES_MAX:
        raise invalid(file, f"it has {len(untrusted)} bytes, and at most {POLICY_BYTES_MAX} are read")


def _toml(untrusted: bytes, file: str) -> object:
    if any(line.count(b".") > LINE_DOTS_MAX for line in untrusted.split(b"\n")):
        raise invalid(file, f"a line has more than {LINE_DOTS_MAX} dots")
    try:
        return tomllib.loads(untrusted.decode())
    except UnicodeDecodeError as error:
        raise invalid(file, "it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # The parser names a line and what it expected there, and repeats at most one character or key of it.
        raise invalid(file, f"it is not TOML: {str(error)[:120]}") from error
    except (ValueError, RecursionError) as error:
        raise invalid(file, "it holds numbers too large, or tables too deep, to be a policy") from error
