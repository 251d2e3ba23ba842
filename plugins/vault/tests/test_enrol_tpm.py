"""Enrolment of a TPM's key from the vault's side, with a TPM of a few lines; a real one is in tests/scenarios."""

import subprocess
import sys
import tomllib
from datetime import UTC, datetime

import pytest

from strongroom.attest.tpm_enrolment import decode_challenge
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from strongroom_vault.__main__ import main
from tests.attest.test_tpm_enrolment import activated
from tests.fakes import pki_tpm

CREDENTIAL = ".credential"


@pytest.fixture
def asked(capsys):
    """The exit code, stdout and stderr of a command."""

    def asked(*arguments):
        code = main(["enrol-tpm", *(str(each) for each in arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return asked


@pytest.fixture
def files(tmp_path):
    """The words that make a challenge, with good files."""
    root = {"of": pki_tpm.key("maker"), "signed_by": pki_tpm.key("maker"), "begins": datetime.now(UTC)}
    contents = {
        "ak": pki_tpm.ecc_public(),
        "ek": pki_tpm.certificate("ek", "maker", **{**root, "of": pki_tpm.EK}, usages=(pki_tpm.EK_USAGE,)),
        "maker": pki_tpm.certificate("maker", "maker", ca=True, **root),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [word for name in contents for word in (f"--{name}", tmp_path / name)]


@pytest.fixture
def challenge(tmp_path, asked, files):
    code, _, err = asked("challenge", tmp_path / "c", *files)
    assert (code, err) == (0, "")
    return tmp_path / "c"


def answered(challenge):
    found = decode_challenge(challenge.read_bytes())
    return activated(pki_tpm.EK, found.ak_name, found).hex()


def test_the_answer_of_the_tpm_gives_the_lines_of_a_policy_once(challenge, asked, tmp_path):
    answer = answered(challenge)
    assert answer not in challenge.read_bytes().hex()
    kept = challenge.with_name("c" + CREDENTIAL)
    assert kept.stat().st_mode & 0o777 == 0o600
    code, out, err = asked("check", challenge, answer)
    assert (code, err) == (0, "")
    anchor = load_certificate((tmp_path / "maker").read_bytes()).fingerprint
    name = pki_tpm.name_of(pki_tpm.ecc_public()).hex()
    assert tomllib.loads(out) == {"tpm2": {"ek_anchors": [anchor], "aks": [name]}}
    code, out, err = asked("check", challenge, answer)
    assert (code, out) == (73, "")
    assert err.startswith("SR-VAULT-051")


@pytest.mark.parametrize("answer", ["", "zz", "00" * 32, "00" * 5000])
def test_another_answer_enrols_nothing_and_the_challenge_goes_on_waiting(challenge, asked, answer):
    code, out, err = asked("check", challenge, answer)
    assert (code, out) == (1, "")
    assert err.startswith("SR-ATTEST-023")
    assert asked("check", challenge, answered(challenge))[0] == 0


def test_a_credential_that_others_can_read_or_that_is_none_is_refused(challenge, asked):
    kept, answer = challenge.with_name("c" + CREDENTIAL), answered(challenge)
    kept.chmod(0o644)
    assert asked("check", challenge, answer)[2].startswith("SR-VAULT-050")
    kept.chmod(0o600)
    for content in (b"", b"\xa0", b"\x80"):
        kept.write_bytes(content)
        assert asked("check", challenge, answer)[2].startswith("SR-ATTEST-001")


@pytest.mark.parametrize("there", ["c", "c" + CREDENTIAL])
def test_nothing_is_overwritten(tmp_path, asked, files, there):
    (tmp_path / there).write_text("mine")
    code, out, err = asked("challenge", tmp_path / "c", *files)
    assert (code, out) == (73, "")
    assert err.startswith("SR-VAULT-051")
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("ak", pki_tpm.ecc_public(attributes=0x00040072), "SR-ATTEST-023"),
        ("ak", b"", "SR-ATTEST-001"),
        ("ek", b"none", "SR-ATTEST-001"),
        ("maker", b"none", "SR-CERT-001"),
        ("maker", pki_tpm.development(), "SR-ATTEST-0"),
        ("ek", bytes(5000), "SR-VAULT-009"),
    ],
    ids=["a key for anything", "no key", "no certificate", "no maker", "another maker", "too large"],
)
def test_what_cannot_be_enrolled_is_not_challenged(tmp_path, asked, files, name, content, code):
    (tmp_path / name).write_bytes(content)
    exit_code, out, err = asked("challenge", tmp_path / "c", *files)
    assert (exit_code, out) == (73 if code == "SR-VAULT-009" else 1, "")
    assert err.startswith(code)
    assert not (tmp_path / ("c" + CREDENTIAL)).exists()


def test_a_missing_file_is_named(tmp_path, asked, files):
    (tmp_path / "ek").unlink()
    code, out, err = asked("challenge", tmp_path / "c", *files)
    assert (code, out) == (73, "")
    assert f"SR-VAULT-051 {tmp_path}/ek cannot be used" in err


def test_a_development_ca_certifies_the_key_of_a_software_tpm(tmp_path, asked, files):
    DevelopmentAuthority.generate(now=datetime.now(UTC)).save(tmp_path / "ca.key")
    words = ("--ak", tmp_path / "ak", "--authority")
    code, out, err = asked("certify", tmp_path / "ak.der", *words, tmp_path / "ca.key")
    assert (code, err) == (0, "")
    assert "INSECURE" in out
    found = load_certificate((tmp_path / "ak.der").read_bytes())
    assert found.key.spki() == PublicKey(pki_tpm.AK.public_key()).spki()
    assert asked("certify", tmp_path / "ak.der", *words, tmp_path / "ca.key")[2].startswith("SR-VAULT-051")
    assert asked("certify", tmp_path / "b.der", *words, tmp_path / "none")[2].startswith("SR-VAULT-051")


def test_other_words_are_usage():
    command = [sys.executable, "-m", "strongroom_vault", "enrol-tpm", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert "usage:" in done.stderr
