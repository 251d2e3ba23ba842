"""Real attestation documents, where they are at hand: the cases that say what each must be taken for."""

import base64
import json
from datetime import datetime
from pathlib import Path

import pytest

from strongroom.attest.anchors import PINNED
from strongroom.attest.evidence import EvidenceLimits
from strongroom.crypto.certificates import load_pem_certificates
from strongroom.errors import EvidenceRejected

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "attestation-samples"


def sample_cases(kind, count_min):
    """The cases of one kind. Skips the test where the folder is absent."""
    if not (SAMPLES / "cases.json").exists():
        pytest.skip("attestation samples are absent: ../shared/attestation-samples")
    found = [each for each in json.loads((SAMPLES / "cases.json").read_text())["cases"] if each["kind"] == kind]
    assert len(found) >= count_min
    return found


def sample_bytes(entry):
    """The bytes that an entry names, out of their encoding."""
    raw = (SAMPLES / entry["file"]).read_bytes()
    match entry["encoding"]:
        case "raw" | "der":
            return raw
        case "hex":
            return bytes.fromhex(raw.decode())
        case "pem":
            return load_pem_certificates(raw)[entry["pem_index"]].der
    raise AssertionError(entry["encoding"])


def sample_json(entry):
    """The JSON that an entry names."""
    return json.loads((SAMPLES / entry["file"]).read_text())


def base64url(text):
    """Base64url, with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def outcome(verify, untrusted, at, expected=None):
    """The claims under the pinned anchors, or the code of the refusal."""
    anchors = PINNED.get(untrusted.kind, frozenset())
    now = datetime.fromisoformat(at)
    try:
        return verify(untrusted, expected=expected, now=now, anchors=anchors, limits=EvidenceLimits())
    except EvidenceRejected as error:
        return error.code


def assert_facts(case, facts):
    """Every claim of the case is a fact; byte strings stand there as hex."""
    for name, wanted in case["claims"].items():
        value = facts[name]
        assert (value.hex() if isinstance(value, bytes) else value) == wanted, (case["name"], name)
