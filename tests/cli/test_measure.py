"""``strongroom measure``: one number for one release, from wheels or installed; and what is no release."""

import json
import shutil
import stat
import struct
import tomllib
import zipfile

import pytest

from strongroom.attest.measurement import RUNNER_PACKAGES, measurement_of
from strongroom.attest.reference_value import open_reference
from strongroom.cli import release_files
from strongroom.cli.main import run
from strongroom.plugin.installed import program_files
from tests.test_docs import ROOT
from tools.build_wheels import build

NAMES = ("strongroom-0.1.0-py3-none-any.whl", "strongroom_confidential_workflows-0.1.0-py3-none-any.whl")


def said(capsys, *arguments):
    """The exit code and the document."""
    code = run(["measure", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def wheels(tmp_path):
    """Both wheels of what is installed, zipped as they are in a release, and others that do not matter."""
    folder = tmp_path / "dist"
    folder.mkdir()
    files = program_files(RUNNER_PACKAGES)
    for name, package in zip(NAMES, RUNNER_PACKAGES, strict=True):
        own = {path: data for path, data in files.items() if path.startswith(f"{package}/")}
        wheel(folder / name, {**own, f"{package}/py.typed": b"", f"{package}-0.1.0.dist-info/RECORD": b"x"})
    wheel(folder / "strongroom_vault-0.1.0-py3-none-any.whl", {"strongroom_vault/vault.py": b"pass"})
    return folder


def test_this_installation_and_its_wheels_measure_to_the_same_number(capsys, wheels):
    code, own = said(capsys)
    assert (code, own["origins"], own["kind"]) == (0, ["this installation"], "insecure-software")
    assert own["measurement"] == measurement_of(program_files(RUNNER_PACKAGES)).hex()
    code, other = said(capsys, wheels)
    assert (code, other["origins"]) == (0, list(NAMES))
    same = ("measurement", "svn", "build", "files", "policy_entry")
    assert {name: own[name] for name in same} == {name: other[name] for name in same}
    assert said(capsys, *(wheels / name for name in reversed(NAMES)))[1]["measurement"] == own["measurement"]


@pytest.mark.slow
def test_wheels_that_are_really_built_measure_to_the_same_number_as_their_sources(capsys, tmp_path):
    # The sources are copied first: somebody may be editing them meanwhile.
    root = tmp_path / "root"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", "dist", "__pycache__", ".mypy_cache", ".hypothesis")
    shutil.copytree(ROOT, root, symlinks=True, ignore=ignored)
    build(tmp_path / "dist", root=root)
    _code, found = said(capsys, tmp_path / "dist")
    sources = {}
    for package, folder in (
        ("strongroom", root / "daemon" / "strongroom"),
        (RUNNER_PACKAGES[1], root / "plugins" / "confidential-workflows" / "src" / RUNNER_PACKAGES[1]),
    ):
        folders = [(package, folder), (f"{package}/migrations", root / "migrations")]
        for prefix, top in folders if package == "strongroom" else folders[:1]:
            for path in top.rglob("*.py"):
                sources[f"{prefix}/{path.relative_to(top).as_posix()}"] = path.read_bytes()
    assert found["measurement"] == measurement_of(sources).hex()


def test_another_byte_is_another_number(capsys, wheels, tmp_path):
    before = said(capsys, wheels)[1]["measurement"]
    with zipfile.ZipFile(wheels / NAMES[0]) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    wheel(wheels / NAMES[0], {**files, "strongroom/errors.py": files["strongroom/errors.py"] + b"\n"})
    assert said(capsys, wheels)[1]["measurement"] != before
    wheel(wheels / NAMES[0], {**files, "strongroom/py.typed": b"other"})
    assert said(capsys, wheels)[1]["measurement"] == before, "only program files count"


def test_what_is_printed_is_an_entry_of_a_policy(capsys):
    assert run(["measure"]) == 0
    captured = capsys.readouterr()
    (entry,) = tomllib.loads(captured.out)["accept"]["insecure-software"]
    assert entry["name"] == "runner-0.1.0"
    assert len(bytes.fromhex(entry["measurement"])) == 32
    for wanted in ("AWS Nitro", "SEV-SNP", "TDX"):
        assert wanted in captured.err


def test_a_reference_value_is_written_once_and_signed(capsys, tmp_path):
    run(["policy", "new-key", str(tmp_path / "k")])
    capsys.readouterr()
    file = tmp_path / "runner.json"
    code, found = said(capsys, "--output", file, "--key", tmp_path / "k")
    assert (code, found["signature_file"]) == (0, f"{file}.sig")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    public = bytes.fromhex((tmp_path / "k.pub").read_text())
    value = open_reference(file.read_bytes(), (tmp_path / "runner.json.sig").read_bytes(), public=public)
    assert (value.measurement.hex(), value.svn, value.kind) == (found["measurement"], found["svn"], found["kind"])
    code, error = said(capsys, "--output", file)
    assert (code, error["error"]["code"]) == (73, "SR-CLI-014")
    code, error = said(capsys, "--key", tmp_path / "k")
    assert (code, error["error"]["code"]) == (2, "SR-CLI-108")
    code, error = said(capsys, "--output", tmp_path / "other.json", "--key", tmp_path / "none")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-098")
    assert not (tmp_path / "other.json").exists()


def test_a_release_that_does_not_say_its_security_version_must_be_told(capsys, wheels):
    wheel(wheels / NAMES[1], {"strongroom_confidential_workflows/enclave/setup.py": b"RunnerBuild(svn=1"})
    code, error = said(capsys, wheels)
    assert (code, error["error"]["code"]) == (65, "SR-CLI-109")
    code, found = said(capsys, wheels, "--svn", "4")
    assert (code, found["svn"], found["build"]) == (0, 4, "strongroom-confidential-workflows 0.1.0")
    assert said(capsys, wheels, "--svn", "-1")[0] == 2


def refusal(capsys, *paths):
    code, error = said(capsys, *paths)
    assert code == 65
    return error["error"]["code"]


def test_what_is_no_release_is_refused(capsys, wheels, tmp_path, monkeypatch):
    assert refusal(capsys, tmp_path) == "SR-CLI-106", "a folder without wheels"
    assert refusal(capsys, wheels / NAMES[0]) == "SR-CLI-106", "half of a runner"
    twice = wheels / "strongroom-0.1.1-py3-none-any.whl"
    shutil.copy(wheels / NAMES[0], twice)
    assert refusal(capsys, wheels) == "SR-CLI-107", "two versions of one package"
    twice.unlink()
    good = (wheels / NAMES[0]).read_bytes()
    for content in (b"", b"no wheel", good[:-100], good[: len(good) // 2]):
        (wheels / NAMES[0]).write_bytes(content)
        assert refusal(capsys, wheels) == "SR-CLI-107"
    (wheels / NAMES[0]).unlink()
    assert refusal(capsys, wheels / NAMES[0], wheels / NAMES[1]) == "SR-CLI-107", "a wheel that is not there"
    (wheels / NAMES[0]).mkdir()
    assert refusal(capsys, wheels) == "SR-CLI-107", "a folder in the place of a wheel"
    monkeypatch.setattr(release_files, "WHEELS_MAX", 2)
    assert refusal(capsys, wheels) == "SR-CLI-107", "too many wheels"


def test_an_archive_beyond_the_limits_is_refused(capsys, wheels, monkeypatch):
    bomb = {"strongroom/big.py": bytes(release_files.FILE_BYTES_MAX + 1)}
    with zipfile.ZipFile(wheels / NAMES[0], "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in bomb.items():
            archive.writestr(name, content)
    assert refusal(capsys, wheels) == "SR-CLI-107"
    with zipfile.ZipFile(wheels / NAMES[0], "w") as archive:
        archive.writestr("strongroom/a.py", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("strongroom/a.py", b"2")
    assert refusal(capsys, wheels) == "SR-CLI-107"
    monkeypatch.setattr(release_files, "FILES_MAX", 1)
    assert refusal(capsys, wheels) == "SR-CLI-107"
    monkeypatch.setattr(release_files, "WHEEL_BYTES_MAX", 10)
    assert refusal(capsys, wheels) == "SR-CLI-107"


def test_an_archive_with_a_false_checksum_is_refused(capsys, wheels):
    path = wheel(wheels / NAMES[0], {"strongroom/a.py": b"x = 1\n"})
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 16 : at + 20] = struct.pack("<I", 0)
    path.write_bytes(raw)
    assert refusal(capsys, wheels) == "SR-CLI-107"


def test_a_policy_says_whether_it_accepts_a_reference_value(capsys, tmp_path):
    run(["policy", "new-key", str(tmp_path / "k")])
    run(["measure", "--output", str(tmp_path / "runner.json"), "--key", str(tmp_path / "k"), "--quiet"])
    capsys.readouterr()
    run(["measure", "--quiet"])
    entry = capsys.readouterr().out
    policy = tmp_path / "policy.toml"
    head = 'profile = "test"\nepoch = 1\nmin_runner_svn = 1\n[release]\nrequire = "affirming"\nmin_assurance = "none"\n'
    policy.write_text(f"{head}{entry}\n")

    def tested(*options):
        code = run(["policy", "test", str(policy), "--reference", str(tmp_path / "runner.json"), *options, "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out or captured.err)

    code, found = tested("--reference-key", str(tmp_path / "k.pub"))
    (value,) = found["references"]
    assert (code, value["accepted"], value["signature_checked"]) == (0, True, True)
    assert value["why"] == "policy.toml:accept.insecure-software.runner-0.1.0"
    code, error = tested("--reference-key", "00" * 32)
    assert (code, error["error"]["code"]) == (65, "SR-ATTEST-006")
    policy.write_text(policy.read_text().replace("min_runner_svn = 1", "min_runner_svn = 9"))
    assert "below" in tested()[1]["references"][0]["why"]
    policy.write_text(f'{head}[[accept.insecure-software]]\nname = "other"\nmeasurement = "{"ab" * 32}"\n')
    code, found = tested()
    assert (code, found["references"][0]["accepted"]) == (1, False)
