"""The Yjs fixtures: documents as Yjs wrote them, in both encodings."""

import json
from pathlib import Path

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
FIXTURES = {f["name"]: f for f in json.loads((VECTORS / "epicenter-yjs.json").read_text())["fixtures"]}
NAMES = sorted(FIXTURES)


def v1(name: str) -> bytes:
    """The whole document in encoding V1."""
    return (VECTORS / "yjs" / f"{name}.v1.bin").read_bytes()


def v2(name: str) -> bytes:
    """The whole document in encoding V2."""
    return (VECTORS / "yjs" / f"{name}.v2.bin").read_bytes()


def field(name: str, key: str) -> bytes:
    """A hexadecimal field of a fixture."""
    return bytes.fromhex(FIXTURES[name][key])


def pairs() -> list[tuple[bytes, bytes]]:
    """Every update that the fixtures have in both encodings."""
    found = [(v1(name), v2(name)) for name in NAMES]
    for fixture in FIXTURES.values():
        both = zip(fixture.get("updatesV1", []), fixture.get("updatesV2", []), strict=False)
        found += [(bytes.fromhex(one), bytes.fromhex(two)) for one, two in both]
    return found


def updates_v2() -> list[bytes]:
    """Every update that the fixtures have in V2: documents, steps, and what clients sent each other."""
    found = [v2(name) for name in NAMES]
    for fixture in FIXTURES.values():
        found += [bytes.fromhex(update) for update in fixture.get("updatesV2", [])]
        found += [bytes.fromhex(fixture[key]) for key in ("clientAUpdateV2", "clientBUpdateV2") if key in fixture]
    return found
