"""The bill of materials: true, valid, the same every time, and in the wheel."""

import base64
import hashlib
import json
import re
import zipfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.build_wheels import ROOT, build
from tools.generate_sbom import SBOM, locked_requirements, sbom_text

TEXT = SBOM.read_text()
DOCUMENT = json.loads(TEXT)
LOCKED = list(locked_requirements((ROOT / "requirements" / "runtime.txt").read_text()))


@pytest.fixture(scope="module")
def dist(tmp_path_factory, strongroom_alone):
    return build(tmp_path_factory.mktemp("wheels"))[0].parent


@pytest.fixture(scope="module")
def strongroom_alone():
    """The other wheels carry none, so they need not be built here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tools.build_wheels.PROJECTS", (".",))
        yield


def test_it_keeps_to_the_schema():
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT.replace("library", "bookshop")), "it does validate"


def test_it_holds_every_locked_requirement_with_the_hashes_of_its_archives_and_nothing_else():
    found = {
        (each["name"], each["version"]): sorted(h["content"] for h in each["externalReferences"][0]["hashes"])
        for each in DOCUMENT["components"]
    }
    assert found == {(each.name, each.version): list(each.sha256) for each in LOCKED}
    assert len(found) > 40


def test_licences_are_known_but_for_few():
    without = {each["name"] for each in DOCUMENT["components"] if not each.get("licenses")}
    assert without <= {"pyrage"}, "the archive does not say it"


def test_it_is_what_is_generated_now_so_nobody_forgets_it():
    assert sbom_text(TEXT) == TEXT, "run: make sbom"


def test_it_says_neither_when_nor_where_it_was_made():
    assert "timestamp" not in TEXT
    assert re.findall(r"https?://[^\"]*", TEXT) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]
    changed = sbom_text(TEXT.replace('"id": "MIT"', '"id": "MIT-0"'))
    assert changed == TEXT, "what is installed decides"
    assert json.loads(TEXT)["serialNumber"].startswith("urn:uuid:")


def test_the_wheel_carries_it_where_scanners_look_and_its_record_lists_it(dist):
    (wheel,) = dist.glob("strongroom-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (inside,) = [name for name in archive.namelist() if "/sboms/" in name]
        data = archive.read(inside)
        record = archive.read(re.sub("sboms/.*", "RECORD", inside)).decode()
    assert re.fullmatch(r"strongroom-[\d.]+\.dist-info/sboms/strongroom\.cdx\.json", inside)
    assert data.decode() == TEXT
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    assert f"{inside},sha256={digest},{len(data)}" in record.splitlines()
    assert (dist / "strongroom.cdx.json").read_text() == TEXT


@pytest.mark.parametrize("line", ["a==1", "a>=1 --hash=sha256:00", "-r other.txt", "a @ https://x --hash=sha256:00"])
def test_what_is_not_pinned_is_not_passed_over(line):
    with pytest.raises(ValueError, match="not pinned with hashes"):
        list(locked_requirements(f"# a comment\n{line}\n"))
