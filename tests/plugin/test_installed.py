"""What is installed: pinned by the bytes of its RECORD, or refused with what is missing."""

import hashlib
import sys

import pytest

from strongroom.errors import Misconfigured
from strongroom.plugin.installed import installed_distribution, program_files

RECORD = "made_up-1.2.dist-info/RECORD,,\r\nmade_up/__init__.py,sha256=x,1\r\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A directory of installed things, first on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site, *, record=RECORD):
    info = site / "made_up-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.2\n")
    if record is not None:
        (info / "RECORD").write_bytes(record.encode())


def refused(call, *arguments):
    with pytest.raises(Misconfigured) as caught:
        call(*arguments)
    return caught.value.code, caught.value.why


def test_a_distribution_is_pinned_by_name_version_and_the_bytes_of_its_record(site):
    install(site)
    found = installed_distribution("made-up")
    assert (found.name, found.version) == ("made-up", "1.2")
    assert found.record_sha256 == hashlib.sha256(RECORD.encode()).hexdigest(), "line ends are bytes like any other"


@pytest.mark.parametrize("record", [None, "", "made_up/__init__.py,,\n"], ids=["none", "empty", "without itself"])
def test_a_distribution_without_a_whole_record_cannot_be_pinned(site, record):
    install(site, record=record)
    assert refused(installed_distribution, "made-up") == ("SR-PLUG-090", "it has no RECORD")


@pytest.mark.parametrize("name", ["", "not-there-at-all", "..", "/etc", "made-up/../made-up", "\ud800", "x" * 5000])
def test_what_is_not_there_is_refused_whatever_it_is_called(name):
    assert refused(installed_distribution, name) == ("SR-PLUG-090", "it is not there")


def test_the_files_of_a_package_are_its_modules_by_their_paths(site):
    package = site / "made_up_package"
    (package / "inner").mkdir(parents=True)
    for path in ("__init__.py", "inner/__init__.py", "inner/part.py"):
        (package / path).write_text(f"# {path}\n")
    (package / "data.txt").write_text("x")
    assert program_files(["made_up_package"]) == {
        "made_up_package/__init__.py": b"# __init__.py\n",
        "made_up_package/inner/__init__.py": b"# inner/__init__.py\n",
        "made_up_package/inner/part.py": b"# inner/part.py\n",
    }
    assert "made_up_package" not in sys.modules, "looking at a program does not run it"


def test_a_folder_that_a_checkout_links_to_is_part_of_a_program_and_a_link_that_leads_back_is_not(site, tmp_path):
    # A wheel has files where a checkout has the link, and both are the same program.
    package, elsewhere = site / "made_up_package", tmp_path / "elsewhere"
    for folder in (package, elsewhere):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (elsewhere / "step.py").write_text("pass")
    (package / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(package)
    (package / "gone.py").symlink_to(tmp_path / "nothing")
    assert program_files(["made_up_package"]) == {
        "made_up_package/__init__.py": b"",
        "made_up_package/linked/step.py": b"pass",
    }


@pytest.mark.parametrize(
    "name", ["", ".", "..", "not_there", "not_there.part", "os", "strongroom.errors", "a b", "/etc"]
)
def test_what_is_no_package_at_the_top_is_refused(name):
    assert refused(program_files, [name])[0] == "SR-PLUG-091"


def test_a_directory_without_a_program_of_its_own_is_no_package(site):
    (site / "made_up_space").mkdir()
    assert refused(program_files, ["made_up_space"])[0] == "SR-PLUG-091"
