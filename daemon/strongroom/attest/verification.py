"""Which verifiers a policy lets take part, and evidence verified by one of them.

Rule 1: a verifier joins by name, version and digest, all three. One that is merely installed is not there.
Rule 2: whatever a verifier raises refuses.
Source: contracts/attestation.md 3, 5 and 16.3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.codes import INSECURE_KIND, UNSUPPORTED_KIND, VERIFIER_FAILED
from strongroom.attest.evidence import Binding, Claims, Evidence, EvidenceLimits, Verifier
from strongroom.attest.policy import Policy, missing_fix
from strongroom.attest.policy_sections import VerifierPin
from strongroom.errors import EvidenceRejected

__all__ = ["InstalledVerifier", "verified_under_policy"]


@dataclass(frozen=True, slots=True)
class InstalledVerifier:
    """A verifier for one kind, and the distribution that it comes from: name, version, SHA-256 of its RECORD."""

    kind: str
    pin: VerifierPin
    verify: Verifier


def verified_under_policy(
    evidence: Evidence,
    policy: Policy,
    installed: Iterable[InstalledVerifier],
    *,
    expected: Binding | None,
    now: datetime,
    limits: EvidenceLimits,
) -> Claims:
    """The claims of ``evidence``, by the verifier that the policy loads for its kind. Raises ``EvidenceRejected``.

    Nothing is parsed before the policy speaks of the kind. The skew of ``limits`` gives way to that of the policy.
    """
    limits = replace(limits, skew_s_max=policy.freshness.max_skew_s)
    verify = _loaded(evidence.kind, policy, installed)
    anchors: Mapping[str, frozenset[str]] = policy.anchors()
    try:
        claims = verify(
            evidence, expected=expected, now=now, anchors=anchors.get(evidence.kind, frozenset()), limits=limits
        )
    except EvidenceRejected:
        raise
    except Exception as error:  # a verifier is somebody else's code, and what breaks it must not pass
        got, wanted = type(error).__name__, "an answer"
        raise EvidenceRejected(VERIFIER_FAILED, f"{evidence.kind} verifier", got=got, wanted=wanted) from error
    if claims.kind != evidence.kind or claims.is_bound != (expected is not None):
        got = f"claims of {claims.kind}, {'' if claims.is_bound else 'not '}bound"
        raise EvidenceRejected(VERIFIER_FAILED, f"{evidence.kind} verifier", got=got, wanted="what it was asked for")
    return claims


def _loaded(kind: str, policy: Policy, installed: Iterable[InstalledVerifier]) -> Verifier:
    if kind in INSECURE_KINDS and kind not in policy.insecure.allow_kinds:
        wanted = f"one that {policy.where('insecure.allow_kinds')} lists"
        raise EvidenceRejected(INSECURE_KIND, "kind", got=kind, wanted=wanted)
    missing = policy.missing_section(kind)
    if missing:
        # The kind is the attester's text: of an unknown one only the beginning is repeated.
        wanted = f"a section {policy.where(missing[:80])}"
        fix = missing_fix(policy, kind)
        raise EvidenceRejected(UNSUPPORTED_KIND, "policy section", got=repr(kind[:40]), wanted=wanted, fix=fix)
    candidates = [each for each in installed if each.kind == kind]
    loaded = [each for each in candidates if each.pin in policy.verifiers]
    if len(loaded) == 1:
        return loaded[0].verify
    got = f"{len(loaded)} loaded of {len(candidates)} installed for {kind}"
    wanted = f"exactly one that {policy.where('verifiers.load')} names with its version and digest"
    raise EvidenceRejected(UNSUPPORTED_KIND, "verifier", got=got, wanted=wanted)
