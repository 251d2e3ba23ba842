"""Quotes of a test platform through the verifiers of production, under its own anchor."""

import pytest

from strongroom.attest.dcap import verify_sgx, verify_tdx
from strongroom.attest.evidence import EvidenceLimits
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_dcap import BOUND, NOW


def claims(platform, *, expected=BOUND, now=NOW, anchors=None, limits=None, **parts):
    """The claims; ``parts`` replace those of the evidence."""
    verify = verify_sgx if platform.is_sgx else verify_tdx
    return verify(
        platform.evidence(**parts),
        expected=expected,
        now=now,
        anchors=platform.anchors() if anchors is None else anchors,
        limits=limits or EvidenceLimits(),
    )


def refused(platform, **named):
    """Why it is refused."""
    with pytest.raises(EvidenceRejected) as caught:
        claims(platform, **named)
    return caught.value


def code_of(platform, **named):
    """The code of its refusal."""
    return refused(platform, **named).code
