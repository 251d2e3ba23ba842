"""``strongroom keys export-recovery`` and ``verify-recovery``: copies for people, checked against the keyring."""

import json
import stat

import pyrage
import pytest

from strongroom.cli.main import run
from strongroom.keyring.files import append_version, create_keyring, load_keyring
from tests.fakes.key_rig import SECRETS, text_of

ALICE, BOB = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()


@pytest.fixture
def keyring(tmp_path):
    create_keyring(tmp_path / "keyring", text_of(2, 1))
    (tmp_path / "alice.txt").write_text(f"{ALICE}\n")
    (tmp_path / "bob.txt").write_text(f"{BOB}\n")
    return tmp_path / "keyring"


@pytest.fixture
def said(capsys):
    def call(*arguments):
        code = run(["keys", *arguments])
        out, err = capsys.readouterr()
        assert not [secret for secret in SECRETS.values() if secret[2:] in out + err]
        assert not [each for each in (ALICE, BOB) if str(each) in out + err]
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def test_each_recipient_recovers_exactly_the_keyring(keyring, said, tmp_path):
    (tmp_path / "people").write_text(f"# who may recover\n{BOB.to_public()}\n\n")
    recipients = ("--recipient", str(ALICE.to_public()), "--recipient-file", "people")
    code, out, err = said("export-recovery", *recipients, "--out", "copy.age", "--key-file", "keyring", "--json")
    root = load_keyring(keyring)
    ids = [root.key_id(2), root.key_id(1)]
    assert (code, out["recipients"], out["key_ids"]) == (0, 2, ids)
    assert stat.S_IMODE((tmp_path / "copy.age").stat().st_mode) == 0o600
    for name in ("alice.txt", "bob.txt"):
        code, out, err = said("verify-recovery", "copy.age", "--identity-file", name, "--key-file", "keyring", "--json")
        assert (code, out["key_ids"]) == (0, ids)
        assert "holds exactly the keys of the keyring" in err


def test_a_copy_from_before_a_version_was_added_is_not_good_any_more(keyring, said):
    to = ("--recipient", str(ALICE.to_public()))
    assert said("export-recovery", *to, "--out", "copy.age", "--key-file", "keyring")[0] == 0
    append_version(keyring)
    code, _, err = said("verify-recovery", "copy.age", "--identity-file", "alice.txt", "--key-file", "keyring")
    assert (code, "SR-KEYRING-030" in err, "it lacks k3-" in err) == (65, True, True)


def test_without_key_file_it_is_the_keyring_of_the_settings_or_of_the_environment(keyring, said, tmp_path, monkeypatch):
    to = ("--recipient", str(ALICE.to_public()), "--state-dir", str(tmp_path))
    assert said("export-recovery", *to, "--out", "one.age")[0] == 0
    keyring.unlink()
    code, _, err = said("export-recovery", *to, "--out", "two.age")
    assert (code, "SR-KEYRING-034" in err, (tmp_path / "two.age").exists()) == (78, True, False)
    monkeypatch.setenv("ENCRYPTION_SECRETS", text_of(2, 1))
    assert said("verify-recovery", "one.age", "--identity-file", "alice.txt", "--state-dir", str(tmp_path))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--out", "copy.age"], 65, "SR-KEYRING-025"),
        (["--out", "copy.age", "--recipient", str(ALICE)], 65, "SR-KEYRING-026"),
        (["--out", "alice.txt", "--recipient", str(BOB.to_public())], 73, "SR-CLI-014"),
        (["--out", "copy.age", "--recipient-file", "nowhere"], 65, "SR-CLI-007"),
    ],
    ids=["nobody", "the secret half", "a file that is there", "no file"],
)
def test_a_copy_for_nobody_or_over_something_is_refused(keyring, said, arguments, code, named, tmp_path):
    found = said("export-recovery", *arguments, "--key-file", "keyring")
    assert (found[0], named in found[2]) == (code, True)
    assert not (tmp_path / "copy.age").exists()


@pytest.mark.parametrize(
    ("content", "identity", "code", "named"),
    [
        (b"junk", "alice.txt", 78, "SR-KEYRING-028"),
        (b"", "alice.txt", 78, "SR-KEYRING-028"),
        (None, "bob.txt", 78, "SR-KEYRING-028"),
        (None, "keyring", 65, "SR-KEYRING-027"),
        (bytes(1_000_001), "alice.txt", 65, "SR-CLI-009"),
    ],
    ids=["junk", "empty", "another person", "no identity", "too large"],
)
def test_what_does_not_open_is_said(keyring, said, tmp_path, content, identity, code, named):
    to = ("--recipient", str(ALICE.to_public()))
    assert said("export-recovery", *to, "--out", "copy.age", "--key-file", "keyring")[0] == 0
    if content is not None:
        (tmp_path / "copy.age").write_bytes(content)
    found = said("verify-recovery", "copy.age", "--identity-file", identity, "--key-file", "keyring")
    assert (found[0], named in found[2]) == (code, True)
