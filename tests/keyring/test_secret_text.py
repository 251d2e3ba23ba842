"""The text of a keyring is read, and written back."""

import json
import logging
from pathlib import Path

import pytest

from strongroom.errors import InvalidInput, Misconfigured
from strongroom.keyring.secret_text import SecretEntry, format_secrets, read_secrets

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "epicenter.json").read_text())["parseRootKeyring"]
ACCEPTED = [case for case in VECTORS if case["ok"]]
OWN_TEXTS = ("ENCRYPTION_SECRETS", "Root keyring entry", "Duplicate")


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: repr(case["input"]))
def test_an_accepted_text_gives_the_entries_of_the_original(case):
    entries = read_secrets(case["input"])
    assert entries == tuple(SecretEntry(each["version"], each["secret"]) for each in case["value"])


@pytest.mark.parametrize("case", [case for case in VECTORS if not case["ok"]], ids=lambda case: repr(case["input"]))
def test_a_refused_text_says_what_the_original_said(case):
    with pytest.raises(Misconfigured) as caught:
        read_secrets(case["input"])
    if case["error"].startswith(OWN_TEXTS):
        assert caught.value.what == case["error"]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: repr(case["input"]))
def test_only_another_form_than_plain_decimal_is_warned_about_and_no_warning_holds_a_secret(case, caplog):
    with caplog.at_level(logging.WARNING):
        entries = read_secrets(case["input"], where="keyring.txt")
    written = [entry.partition(":")[0] for entry in case["input"].split(",")]
    strange = sum(text not in {str(entry.version) for entry in entries} for text in written)
    assert len(caplog.records) == strange
    for record in caplog.records:
        assert record.getMessage().startswith("keyring.txt: entry ")
        assert "in plain decimal" in record.getMessage()
        assert not [entry for entry in entries if len(entry.secret) > 3 and entry.secret in record.getMessage()]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: repr(case["input"]))
def test_what_is_written_is_canonical_and_reads_back(case, caplog):
    entries = read_secrets(case["input"])
    caplog.clear()
    text = format_secrets(entries)
    assert read_secrets(text) == entries
    assert not caplog.records


def test_entries_are_written_highest_version_first():
    assert format_secrets([SecretEntry(1, "a:b"), SecretEntry(12, "c"), SecretEntry(3, " d ")]) == "12:c,3: d ,1:a:b"


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [SecretEntry(1, "verysecret"), SecretEntry(1, "b")],
        [SecretEntry(0, "verysecret")],
        [SecretEntry(256, "verysecret")],
        [SecretEntry(1, "")],
        [SecretEntry(1, "verysecret,2:b")],
        [SecretEntry(1, "verysecret,")],
        [SecretEntry(1, "verysecret\ud800")],
    ],
    ids=["none", "twice", "zero", "too high", "empty", "comma", "comma at the end", "surrogate"],
)
def test_what_could_not_be_read_back_is_not_written_and_not_repeated(entries):
    with pytest.raises(InvalidInput) as caught:
        format_secrets(entries)
    assert caught.value.code == "SR-KEYRING-017"
    assert "verysecret" not in f"{caught.value} {caught.value.fix} {caught.value.details}"


def test_an_entry_shows_its_version_only():
    assert repr(SecretEntry(1, "verysecret")) == "SecretEntry(version=1)"
