"""Deployment manifests as people write and read them: TOML or JSON, and the difference of two in words.

```toml
owner = "0x1111111111111111111111111111111111111111"
serial = 4

[[grants]]
workflow_id = "00…"
binary_sha256 = "…"
config_sha256 = "…"
secrets = [{namespace = "main", key = "API_KEY", min_assurance = "hardware"}]
```
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from strongroom.attest.evidence import HARDWARE
from strongroom.attest.manifest import Manifest, ManifestGrant
from strongroom.cli.failure import bad_data
from strongroom.errors import EvidenceRejected, InvalidInput
from strongroom.guest.ids import normal_owner

__all__ = ["EMPTY_SHA256", "changes", "check_serial_left", "leap", "manifest_document", "parse_grants"]

EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
DEFAULT_NAMESPACE: Final = "main"
SERIAL_LAST: Final = 2**64 - 1
SERIAL_LEAP_MAX: Final = 1_000
"""Who counts up by hand makes no larger step on purpose."""
LAST: Final = (
    f"{SERIAL_LAST} is the last number that there is: nothing granted by it could ever be changed or taken back"
)
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
_TOP: Final = frozenset({"schema", "owner", "serial", "grants"})
_GRANT: Final = frozenset({"workflow_id", "binary_sha256", "config_sha256", "secrets"})
_SECRET: Final = frozenset({"namespace", "key", "min_assurance"})
Reads = Mapping[tuple[str, str, str, str, str], str]


def parse_grants(raw: bytes) -> Manifest:
    """The manifest in a TOML or JSON document. Raises ``Failure`` naming the field."""
    document = _document(raw)
    _keys("", document, _TOP, {"owner", "serial", "grants"})
    owner, serial = document["owner"], document["serial"]
    try:
        spelled = f"0x{normal_owner(str(owner))}"
    except InvalidInput as error:
        _wrong("owner", str(error))
    if type(serial) is not int or serial < 1:
        _wrong("serial", "it is not a whole number from 1")
    if serial >= SERIAL_LAST:
        _wrong("serial", LAST)
    grants = tuple(_grant(f"grants[{n}]", each) for n, each in enumerate(_list("grants", document["grants"])))
    manifest = Manifest(owner=spelled, serial=serial, grants=grants)
    try:
        manifest.encode()
    except EvidenceRejected as error:
        _wrong(error.check, error.why)
    return manifest


def check_serial_left(manifest: Manifest) -> None:
    """Raise ``Failure`` for a manifest that no other could follow."""
    if manifest.serial >= SERIAL_LAST:
        fix = "sign one whose serial is the one after that in force, which `strongroom vault manifest show` prints"
        raise bad_data("SR-CLI-146", "this manifest would be the last of its owner", why=LAST, fix=fix)


def leap(old: Manifest | None, new: Manifest) -> str:
    """What to tell an owner whose serial rises by more than one would count, empty for every other."""
    before = old.serial if old is not None else 0
    if new.serial - before <= SERIAL_LEAP_MAX:
        return ""
    return (
        f"warning: the serial leaps from {before} to {new.serial}; no manifest with a lower one is ever taken again,"
        f" and {SERIAL_LAST} is the last"
    )


def manifest_document(manifest: Manifest) -> dict[str, Any]:  # Any: JSON values
    """The manifest as JSON, in the form that ``parse_grants`` takes."""
    grants = [
        {
            "workflow_id": grant.workflow_id,
            "binary_sha256": grant.binary_sha256.hex(),
            "config_sha256": grant.config_sha256.hex(),
            "secrets": [
                {"namespace": namespace, "key": key, "min_assurance": grant.secrets[namespace, key]}
                for namespace, key in sorted(grant.secrets)
            ],
        }
        for grant in sorted(manifest.grants, key=ManifestGrant.sort_key)
    ]
    return {"owner": manifest.owner, "serial": manifest.serial, "grants": grants}


def changes(old: Manifest | None, new: Manifest) -> list[str]:
    """One line for each secret that becomes readable, is no longer, or is at another class. Empty when all stays."""
    before, after = _reads(old), _reads(new)
    lines = []
    for place in sorted({*before, *after}):
        workflow, binary, config, namespace, key = place
        if before.get(place) == after.get(place):
            continue
        builds = f"binary {binary[:16]}…" + ("" if config == EMPTY_SHA256 else f", config {config[:16]}…")
        who = f"{namespace}/{key} by workflow {workflow} ({builds})"
        if place not in before:
            lines.append(f"+ readable: {who}, from class {after[place]} on")
        elif place not in after:
            lines.append(f"- no longer: {who}")
        else:
            lines.append(f"~ changed: {who}, from class {after[place]} on, before from {before[place]}")
    return lines


def _reads(manifest: Manifest | None) -> Reads:
    return {
        (grant.workflow_id, grant.binary_sha256.hex(), grant.config_sha256.hex(), *name): least
        for grant in (manifest.grants if manifest is not None else ())
        for name, least in grant.secrets.items()
    }


def _document(raw: bytes) -> Mapping[str, Any]:  # Any: what the file holds
    try:
        text = raw.decode()
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _wrong("the file", f"it is neither TOML nor JSON: {error}")
    if not isinstance(document, dict):
        _wrong("the file", "its top level is no table")
    return document


def _grant(place: str, untrusted: object) -> ManifestGrant:
    if not isinstance(untrusted, dict):
        _wrong(place, "it is no table")
    _keys(f"{place}.", untrusted, _GRANT, _GRANT - {"config_sha256"})
    secrets: dict[tuple[str, str], str] = {}
    for number, each in enumerate(_list(f"{place}.secrets", untrusted["secrets"])):
        here = f"{place}.secrets[{number}]"
        if not isinstance(each, dict):
            _wrong(here, "it is no table")
        _keys(f"{here}.", each, _SECRET, {"key"})
        name = str(each.get("namespace", DEFAULT_NAMESPACE)), str(each["key"])
        if name in secrets:
            _wrong(here, f"{'/'.join(name)} stands there twice")
        secrets[name] = str(each.get("min_assurance", HARDWARE))
    return ManifestGrant(
        workflow_id=str(untrusted["workflow_id"]),
        binary_sha256=_digest(f"{place}.binary_sha256", untrusted["binary_sha256"]),
        config_sha256=_digest(f"{place}.config_sha256", untrusted.get("config_sha256", EMPTY_SHA256)),
        secrets=secrets,
    )


def _keys(place: str, found: Mapping[str, Any], known: frozenset[str], needed: set[str] | frozenset[str]) -> None:
    for name in found:
        if name not in known:
            _wrong(f"{place}{name}", f"it is not known; known here: {', '.join(sorted(known - {'schema'}))}")
    for name in sorted(needed - found.keys()):
        _wrong(f"{place}{name}", "it is missing")


def _list(place: str, found: object) -> list[Any]:
    if not isinstance(found, list):
        _wrong(place, "it is no list")
    return found


def _digest(place: str, found: object) -> bytes:
    if not isinstance(found, str) or not _DIGEST.fullmatch(found):
        _wrong(place, "it is not 64 hex digits")
    return bytes.fromhex(found)


def _wrong(place: str, why: str) -> NoReturn:
    raise bad_data(
        "SR-CLI-122",
        f"{place} of the manifest cannot be used",
        why=why,
        fix="`strongroom vault manifest show --json` prints one in this form",
    )
