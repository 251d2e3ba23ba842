"""Good evidence of every kind from the test PKIs, each with the verifier of production and all that it needs."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.verifiers import VERIFIERS
from strongroom.errors import EvidenceRejected
from tests.fakes import pki_azure, pki_dcap, pki_nitro, pki_snp, pki_software, pki_tpm

KINDS = tuple(VERIFIERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Evidence that its verifier accepts at ``now`` under ``anchors``, bound to ``bound``."""

    evidence: Evidence
    bound: Binding
    now: datetime
    anchors: frozenset[str]

    def claims(self, *, by="", expected=..., limits=None, now=None, anchors=None, **changes):
        """What the verifier of its kind, or that of ``by``, says; ``changes`` are of the evidence."""
        return VERIFIERS[by or self.evidence.kind](
            replace(self.evidence, **changes),
            expected=self.bound if expected is ... else expected,
            now=now or self.now,
            anchors=self.anchors if anchors is None else anchors,
            limits=limits or EvidenceLimits(),
        )

    def outcome(self, **changes):
        """The claims, or the code of the refusal. Any other exception comes through."""
        try:
            return self.claims(**changes)
        except EvidenceRejected as error:
            f"{error} {error.got} {error.wanted}".encode()
            return error.code

    def parts(self):
        """The changes that replace each part: a function of its bytes, by the name of the part."""
        yield "body", self.evidence.body, lambda raw: {"body": raw}
        for place, each in enumerate(self.evidence.endorsements):
            yield f"endorsement {place}", each, lambda raw, place=place: {"endorsements": self._with(place, raw)}

    def _with(self, place, raw):
        return tuple(raw if n == place else each for n, each in enumerate(self.evidence.endorsements))


@cache
def good(kind):
    """The good evidence of this kind."""
    match kind:
        case "nitro":
            found, pki = pki_nitro.document(), pki_nitro
        case "sev-snp":
            found, pki = pki_snp.made().evidence(), pki_snp
        case "az-snp-vtpm":
            found, pki = pki_azure.evidence(), pki_azure
        case "tpm2":
            found, pki = pki_tpm.evidence(pki_tpm.body(), endorsements=pki_tpm.ek_chain()), pki_tpm
            return Good(evidence=found, bound=pki.BOUND, now=pki.NOW, anchors=pki.MAKERS)
        case "insecure-swtpm":
            found, pki = pki_tpm.evidence(pki_tpm.body(), kind=kind, endorsements=pki_tpm.ak_chain()), pki_tpm
            return Good(evidence=found, bound=pki.BOUND, now=pki.NOW, anchors=pki.DEVELOPERS)
        case "insecure-software":
            found, pki = pki_software.Forged().evidence(), pki_software
            anchors = frozenset({pki.authority().fingerprint})
            return Good(evidence=found, bound=pki.BOUND, now=pki.NOW, anchors=anchors)
        case "tdx" | "sgx":
            platform, pki = pki_dcap.Platform(version=5 if kind == "tdx" else 3), pki_dcap
            return Good(evidence=platform.evidence(), bound=pki.BOUND, now=pki.NOW, anchors=platform.anchors())
    return Good(evidence=found, bound=pki.BOUND, now=pki.NOW, anchors=pki.ANCHORS)
