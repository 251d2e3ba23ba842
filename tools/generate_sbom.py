"""Write the software bill of materials of an installation: ``requirements/strongroom.cdx.json``, CycloneDX 1.6.

It says what ``requirements/runtime.txt`` locks: names, versions, hashes of all archives, and licences where they are
known. The wheel carries it in ``.dist-info/sboms`` (PEP 770). The same inputs give the same bytes: there is no time in
it, and its serial number comes from its content. Licences are read from what is installed here; of what is not
installed on this platform, the file keeps what it said of the same version.
"""

import importlib.metadata
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

__all__ = ["SBOM", "Locked", "locked_requirements", "sbom_text"]

ROOT: Final = Path(__file__).resolve().parent.parent
LOCKED: Final = ROOT / "requirements" / "runtime.txt"
SBOM: Final = ROOT / "requirements" / "strongroom.cdx.json"
# What is longer is the text of a licence in the field for its name.
LICENCE_CHARS_MAX: Final = 100
REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^ ;]+)(?: *; *(.*))?")
NAMESPACE: Final = uuid.UUID("6f0d6a5e-2a5c-5b51-9d0c-6d1a3c2f7b10")
"""Of serial numbers: any fixed value does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One locked requirement. ``marker`` says where it is installed, empty for everywhere."""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    @property
    def purl(self) -> PackageURL:
        """Its name for scanners. It names a kind of package and no place."""
        return PackageURL("pypi", None, self.name, self.version)


def locked_requirements(text: str) -> Iterator[Locked]:
    """What a locked file holds. Raises ``ValueError`` for a line that is no pinned requirement with hashes."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words, *hashes = line.split(" --hash=sha256:")
        found = REQUIREMENT.fullmatch(words.strip())
        if found is None or not hashes:
            raise ValueError(f"not pinned with hashes: {words.strip()}")
        name, _, version, marker = found.groups()
        digests = tuple(sorted(each.strip() for each in hashes))
        yield Locked(name=name, version=version, marker=(marker or "").strip(), sha256=digests)


def sbom_text(old: str) -> str:
    """The document as it should be; ``old`` is the one that stands there, or nothing."""
    locked = LOCKED.read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = _known_licences(old)
    components = {each.name: _component(each, known) for each in locked_requirements(locked)}
    own = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=f"{project['name']}=={project['version']}",
        purl=PackageURL("pypi", None, project["name"], project["version"]),
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )
    bom = Bom(components=components.values(), serial_number=NAMESPACE, metadata=BomMetaData(component=own))
    bom.metadata.timestamp = None  # type: ignore[assignment]  # it may be left out, and then two builds are the same
    direct = {re.split(r"[\[<>=~! ]", each)[0].lower() for each in project["dependencies"]}
    bom.register_dependency(own, [component for name, component in components.items() if name in direct])
    bom.serial_number = uuid.uuid5(NAMESPACE, JsonV1Dot6(bom).output_as_string())
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _component(each: Locked, known: Mapping[str, str]) -> Component:
    licence = _installed_licence(each) or known.get(str(each.purl), "")
    return Component(
        name=each.name,
        version=each.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{each.name}=={each.version}",
        purl=each.purl,
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
        # The hashes are those of archives, one per platform, not of the component itself.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(each.purl)),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in each.sha256],
            )
        ],
        properties=[Property(name="python:marker", value=each.marker)] if each.marker else [],
    )


def _installed_licence(each: Locked) -> str:
    try:
        metadata = importlib.metadata.metadata(each.name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if metadata["Version"] != each.version:
        return ""
    classified = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    named = (metadata["License-Expression"] or "", metadata["License"] or "", " AND ".join(classified))
    return next((text for text in named if 0 < len(text) <= LICENCE_CHARS_MAX and "\n" not in text), "")


def _known_licences(old: str) -> dict[str, str]:
    found = {}
    document: dict[str, Any] = json.loads(old or "{}")  # Any: a document of our own
    for component in document.get("components", ()):
        for each in component.get("licenses", ()):
            licence = each.get("license", {})
            found[component["purl"]] = each.get("expression") or licence.get("id") or licence["name"]
    return found


if __name__ == "__main__":
    text = sbom_text(SBOM.read_text() if SBOM.exists() else "")
    if "--check" in sys.argv:
        sys.exit(0 if SBOM.exists() and SBOM.read_text() == text else f"{SBOM} is not what it should be")
    SBOM.write_text(text)
