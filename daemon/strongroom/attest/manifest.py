"""The deployment manifest, signed by an owner: which workflows may read which secrets, at which assurance.

Rule 1: a grant is for one workflow id, one binary and one configuration together; another build is another grant.
Rule 2: it has one encoding, deterministic CBOR with everything sorted, so one signature and one digest.
Rule 3: what is not granted is refused. There are no wildcards.
Source: contracts/attestation.md 14.1, step 4.5.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from strongroom.attest import cbor
from strongroom.attest.assurance import CLASSES
from strongroom.attest.codes import BINDING, NOT_AUTHORISED, SIGNATURE, UNSUPPORTED_VERSION
from strongroom.attest.evidence import check_size, is_same, malformed
from strongroom.attest.fields import SECRETS_MAX, Fields
from strongroom.attest.runtime_data import Execution
from strongroom.crypto.signing import SigningKey, is_signed
from strongroom.errors import EvidenceRejected

__all__ = [
    "MANIFEST_BYTES_MAX",
    "Manifest",
    "ManifestGrant",
    "check_serial",
    "open_manifest",
    "read_manifest",
    "sign_manifest",
]

PROFILE: Final = "strongroom/manifest/v1"
MANIFEST_TAG: Final = "manifest"
MANIFEST_BYTES_MAX: Final = 1024 * 1024
"""A thousand workflows with ten secrets each take less."""
GRANTS_MAX: Final = 4096
_HERE: Final = "manifest"
_KEYS: Final = frozenset({"profile", "owner", "serial", "grants"})
_GRANT_KEYS: Final = frozenset({"workflow_id", "binary_sha256", "config_sha256", "secrets"})
_SECRET_KEYS: Final = frozenset({"namespace", "key", "min_assurance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestGrant:
    """One workflow with its binary and configuration, and the least class at which it may read each secret, by
    (namespace, key)."""

    workflow_id: str
    binary_sha256: bytes
    config_sha256: bytes
    secrets: Mapping[tuple[str, str], str]

    def sort_key(self) -> tuple[bytes, bytes, bytes]:
        """What grants are sorted by, and which of them are the same."""
        return _text_bytes(self.workflow_id), self.binary_sha256, self.config_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an owner grants. ``serial`` grows with every change."""

    owner: str
    serial: int
    grants: tuple[ManifestGrant, ...]

    def encode(self) -> bytes:
        """The one encoding. Raises ``EvidenceRejected`` for a field that may not be what it is."""
        grants = sorted(self.grants, key=ManifestGrant.sort_key)
        value = {
            "profile": PROFILE,
            "owner": self.owner,
            "serial": self.serial,
            "grants": [_grant_map(each) for each in grants],
        }
        _read(value)
        encoded = cbor.canonical(value)
        check_size(f"{_HERE} size", encoded, MANIFEST_BYTES_MAX)
        return encoded

    def sha256(self) -> bytes:
        """The digest of the encoding, 32 bytes. Raises ``EvidenceRejected`` as ``encode`` does."""
        return hashlib.sha256(self.encode()).digest()

    def grant_for(self, execution: Execution) -> ManifestGrant | None:
        """The grant for exactly this workflow, binary and configuration, if there is one."""
        for each in self.grants:
            is_this = each.workflow_id == execution.workflow_id
            is_this = is_this and is_same(each.binary_sha256, execution.binary_sha256)
            if is_this and is_same(each.config_sha256, execution.config_sha256):
                return each
        return None


def sign_manifest(manifest: Manifest, key: SigningKey) -> bytes:
    """The signature of the encoding, 64 bytes. Raises ``EvidenceRejected`` as ``encode`` does."""
    return key.sign(MANIFEST_TAG, manifest.encode())


def open_manifest(untrusted: bytes, signature: bytes, *, owner_public: bytes, owner: str) -> Manifest:
    """The manifest in ``untrusted``, signed by the raw Ed25519 key of ``owner``. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted, MANIFEST_BYTES_MAX)
    if not is_signed(owner_public, MANIFEST_TAG, untrusted, signature):
        wanted = "one by the key of the owner"
        raise EvidenceRejected(SIGNATURE, f"{_HERE} signature", got="another signature", wanted=wanted)
    found = read_manifest(untrusted)
    if found.owner != owner:
        raise EvidenceRejected(BINDING, f"{_HERE} owner", got=found.owner, wanted=owner)
    return found


def read_manifest(untrusted: bytes) -> Manifest:
    """The manifest in ``untrusted``, whoever wrote it. Raises ``EvidenceRejected`` unless it has the one encoding."""
    check_size(f"{_HERE} size", untrusted, MANIFEST_BYTES_MAX)
    return _read(cbor.decode_canonical(_HERE, untrusted))


def check_serial(manifest: Manifest, *, stored_serial: int) -> None:
    """Raise ``EvidenceRejected`` for a manifest that is older than one that was in force: it may grant what its owner
    took back."""
    if manifest.serial < stored_serial:
        got, wanted = str(manifest.serial), f"at least {stored_serial}"
        raise EvidenceRejected(NOT_AUTHORISED, f"{_HERE} serial", got=got, wanted=wanted)


def _grant_map(grant: ManifestGrant) -> dict[str, Any]:  # Any: texts, bytes and lists
    names = sorted(grant.secrets, key=_name_bytes)
    return {
        "workflow_id": grant.workflow_id,
        "binary_sha256": grant.binary_sha256,
        "config_sha256": grant.config_sha256,
        "secrets": [{"namespace": ns, "key": key, "min_assurance": grant.secrets[ns, key]} for ns, key in names],
    }


def _read(value: object) -> Manifest:
    top = Fields(_HERE, value, _KEYS)
    profile = top.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    owner, serial = top.text("owner"), top.uint("serial", minimum=1)
    rows = top.items("grants", GRANTS_MAX)
    grants = tuple(_grant(f"{_HERE} grants {number}", row) for number, row in enumerate(rows))
    if any(later.sort_key() <= earlier.sort_key() for earlier, later in pairwise(grants)):
        raise malformed(f"{_HERE} grants", got="another order, or one twice", wanted="sorted, each once")
    return Manifest(owner=owner, serial=serial, grants=grants)


def _grant(place: str, row: object) -> ManifestGrant:
    found = Fields(place, row, _GRANT_KEYS)
    secrets: dict[tuple[str, str], str] = {}
    for number, each in enumerate(found.items("secrets", SECRETS_MAX)):
        secret = Fields(f"{place} secrets {number}", each, _SECRET_KEYS)
        name = secret.text("namespace"), secret.text("key")
        if secrets and _name_bytes(name) <= _name_bytes(next(reversed(secrets))):
            raise malformed(f"{place} secrets", got="another order, or one twice", wanted="sorted, each once")
        secrets[name] = secret.choice("min_assurance", CLASSES)
    return ManifestGrant(
        workflow_id=found.text("workflow_id"),
        binary_sha256=found.raw("binary_sha256"),
        config_sha256=found.raw("config_sha256"),
        secrets=secrets,
    )


def _name_bytes(name: tuple[str, str]) -> tuple[bytes, bytes]:
    return _text_bytes(name[0]), _text_bytes(name[1])


def _text_bytes(text: str) -> bytes:
    # What UTF-8 cannot carry is sorted somewhere, and refused when it is read.
    return text.encode(errors="surrogatepass")
