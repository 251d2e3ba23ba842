"""The key of a password, against the values of the original."""

import json
from pathlib import Path

import pytest

from strongroom.crypto import password_key
from strongroom.crypto.password_key import PASSWORD_BYTES_MAX, archived_salt, key_of_password, new_salt
from strongroom.errors import InvalidInput, LimitExceeded

FOLDER = Path(__file__).parent.parent / "vectors"
VECTORS = json.loads((FOLDER / "epicenter.json").read_text())["pbkdf2"]
ARCHIVED = json.loads((FOLDER / "epicenter-archived.json").read_text())


@pytest.mark.parametrize(
    "case",
    [*VECTORS, *ARCHIVED["deriveKeyFromPassword"]],
    ids=lambda case: f"{case['saltHex'][:8]}-{case['iterations']}",
)
def test_a_password_and_its_salt_give_the_key_of_the_original(case, monkeypatch):
    assert (case["prf"].replace("-", "").upper(), case["dkLen"]) == ("HMACSHA256", 32)
    if case["iterations"] != 600_000:
        monkeypatch.setattr(password_key, "ITERATIONS", case["iterations"])
    assert key_of_password(case["password"], bytes.fromhex(case["saltHex"]))._raw.hex() == case["key"]


def test_the_shipped_count_of_iterations_is_that_of_the_contract():
    assert password_key.ITERATIONS == 600_000


@pytest.mark.parametrize("case", ARCHIVED["deriveSalt"], ids=lambda case: case["userId"] or "empty")
def test_the_salt_of_archived_data_is_that_of_the_original(case):
    assert archived_salt(case["userId"], case["workspaceId"]).hex() == case["salt"]


def test_a_new_salt_is_random_and_has_32_bytes():
    assert len(new_salt()) == 32
    assert new_salt() != new_salt()


def test_a_password_longer_than_the_limit_is_refused_without_being_repeated(monkeypatch):
    monkeypatch.setattr(password_key, "ITERATIONS", 1)
    key_of_password("p" * PASSWORD_BYTES_MAX, bytes(32))
    with pytest.raises(LimitExceeded) as caught:
        key_of_password("é" * (PASSWORD_BYTES_MAX // 2) + "x", bytes(32))
    assert caught.value.details["size"] == PASSWORD_BYTES_MAX + 1
    assert "é" not in f"{caught.value}"


@pytest.mark.parametrize("size", [0, 15, 17, 31, 33])
def test_a_salt_of_another_size_is_refused(size):
    with pytest.raises(InvalidInput, match=f"this one has {size}"):
        key_of_password("hunter2", bytes(size))
