"""The grammar of ``ENCRYPTION_SECRETS``, the roots it gives, and the file it is kept in."""

import hashlib
import json
import logging
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.errors import KeyMissing, Misconfigured
from strongroom.keyring.files import create_dev_keyring, load_keyring
from strongroom.keyring.root import RUNS, parse_secrets
from strongroom.keyring.versions import read_version

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "epicenter.json").read_text())["parseRootKeyring"]
OWN_TEXTS = ("ENCRYPTION_SECRETS", "Root keyring entry", "Duplicate")
SECRET = "s" * 32


@pytest.mark.parametrize("case", [case for case in VECTORS if case["ok"]], ids=lambda case: repr(case["input"]))
def test_an_accepted_keyring_gives_the_versions_and_secrets_of_the_vector(case):
    ring = parse_secrets(case["input"])
    assert list(ring.versions) == [entry["version"] for entry in case["value"]]
    assert ring.writing_version == case["value"][0]["version"]
    for entry in case["value"]:
        assert ring._held.roots[entry["version"]]._raw == hashlib.sha256(entry["secret"].encode()).digest()


@pytest.mark.parametrize("case", [case for case in VECTORS if not case["ok"]], ids=lambda case: repr(case["input"]))
def test_a_refused_keyring_says_what_the_original_said(case):
    with pytest.raises(Misconfigured) as caught:
        parse_secrets(case["input"])
    if case["error"].startswith(OWN_TEXTS):
        assert caught.value.what == case["error"]
    else:
        assert caught.value.what == "Root keyring entry version must be an integer from 1 to 255"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0x10", 16),
        ("0X10", 16),
        ("0b11", 3),
        ("0o17", 15),
        ("+3", 3),
        ("1e1", 10),
        ("255.0", 255),
        (".5e1", 5),
        ("\ufeff7\u3000", 7),
        ("2550e-1", 255),
        ("00000007", 7),
        ("5.", 5),
    ],
)
def test_a_legacy_form_of_a_version_is_read(text, version):
    assert read_version(text) == version


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "-0",
        "+0x10",
        "0x",
        "1_0",
        "٣",
        "nan",
        "inf",
        "1e400",
        "0x" + "f" * 300,
        "1,",
        "1 1",
        "\x1c1",
        ".",
        "e1",
        "",
    ],
)
def test_no_other_form_of_a_version_is_read(text):
    assert read_version(text) is None


def test_a_legacy_form_is_warned_about_with_the_canonical_one(caplog):
    with caplog.at_level(logging.WARNING):
        parse_secrets("0x10:verysecret")
    assert "16, in plain decimal" in caplog.text
    assert "verysecret" not in caplog.text


def test_no_error_repeats_a_secret():
    for text in ("verysecret", "1:verysecret,1:verysecret", "x:verysecret", "1:verysecret,nocolon"):
        with pytest.raises(Misconfigured) as caught:
            parse_secrets(text, where="STRONGROOM_KEYRING")
        assert "verysecret" not in f"{caught.value} {caught.value.fix} {caught.value.details}"
        assert "STRONGROOM_KEYRING" in str(caught.value.details["where"])


def test_a_subroot_is_hkdf_of_its_root_and_purpose():
    expected = HKDF(SHA256(), 32, b"strongroom/root/v1", b"runs").derive(hashlib.sha256(SECRET.encode()).digest())
    ring = parse_secrets(f"3:{SECRET}")
    assert ring.subroot(RUNS, 3)._raw == expected
    assert ring.subroot(RUNS, 3) is ring.subroot(RUNS, 3)
    assert ring.subroot("record MAC", 3)._raw != expected


def test_a_missing_version_is_named_with_the_keys_that_are_there():
    ring = parse_secrets(f"3:{SECRET},2:old")
    with pytest.raises(KeyMissing, match="version 1 is missing") as caught:
        ring.subroot(RUNS, 1)
    assert caught.value.details["key_version"] == 1
    assert ring.key_id(3) in str(caught.value)


def test_a_key_id_names_the_version_and_tells_secrets_apart():
    ring = parse_secrets(f"12:{SECRET}")
    assert re.fullmatch(r"k12-[0-9a-f]{8}", ring.key_id(12))
    assert parse_secrets(f"12:{SECRET}").key_id(12) == ring.key_id(12)
    assert parse_secrets("12:other").key_id(12) != ring.key_id(12)


def test_a_keyring_shows_versions_only():
    assert repr(parse_secrets("1:a,3:b")) == "<RootKeyring versions 3, 1>"


def write(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_made_keyring_is_private_random_and_loads_in_strict_mode(tmp_path):
    path = tmp_path / "keyring"
    create_dev_keyring(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"1:[A-Za-z0-9_-]{43}\n", path.read_text())
    assert load_keyring(path, strict=True).versions == (1,)
    create_dev_keyring(tmp_path / "other")
    assert path.read_text() != (tmp_path / "other").read_text()


def test_a_keyring_is_never_overwritten(tmp_path):
    path = write(tmp_path / "keyring", b"1:old")
    with pytest.raises(Misconfigured, match="already"):
        create_dev_keyring(path)
    assert path.read_bytes() == b"1:old"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["none", "line feed", "carriage return too"])
def test_one_line_break_at_the_end_is_no_part_of_the_secret(tmp_path, end):
    ring = load_keyring(write(tmp_path / "keyring", b"1:secret" + end))
    assert ring.key_id(1) == parse_secrets("1:secret").key_id(1)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602])
def test_a_keyring_that_others_may_reach_is_refused_with_the_command_that_fixes_it(tmp_path, mode):
    path = write(tmp_path / "keyring", b"1:secret", mode)
    with pytest.raises(Misconfigured) as caught:
        load_keyring(path)
    assert caught.value.fix == f"chmod 600 {path}"
    assert f"{mode:04o}" in caught.value.why


def test_a_missing_keyring_says_how_to_make_one(tmp_path):
    with pytest.raises(Misconfigured, match="there is no keyring") as caught:
        load_keyring(tmp_path / "keyring")
    assert "keyring_file" in caught.value.fix


def test_the_command_that_makes_a_keyring_works_in_a_directory_that_is_not_there(tmp_path):
    path = tmp_path / "it's new" / "keyring"
    with pytest.raises(Misconfigured) as caught:
        load_keyring(path)
    command = caught.value.fix.partition("make one: ")[2]
    subprocess.run(["sh", "-c", command], check=True)  # noqa: S607 - any shell
    assert load_keyring(path, strict=True).versions == (1,)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "SR-KEYRING-001"),
        (b"\xff", "SR-KEYRING-007"),
        (b"1:" + b"x" * 70_000, "SR-KEYRING-005"),
        (b"no colon", "SR-KEYRING-001"),
    ],
    ids=["empty", "not text", "too big", "no colon"],
)
def test_a_file_that_is_no_keyring_is_refused_with_its_path(tmp_path, content, code):
    path = write(tmp_path / "keyring", content)
    with pytest.raises(Misconfigured) as caught:
        load_keyring(path)
    assert caught.value.code == code
    assert str(path) in str(caught.value.details["where"])


def test_a_directory_and_a_pipe_are_no_keyring(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(Misconfigured, match="no regular file"):
            load_keyring(path)


def test_strict_mode_refuses_a_short_secret_of_any_version(tmp_path):
    path = write(tmp_path / "keyring", f"2:{SECRET},1:{'s' * 31}".encode())
    assert load_keyring(path).versions == (2, 1)
    with pytest.raises(Misconfigured, match="version 1 is too short: it has 31 bytes, at least 32"):
        load_keyring(path, strict=True)
