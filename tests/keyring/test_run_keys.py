"""Every run has its own key, and a budget of messages."""

import copy
import dataclasses
import pickle

import pytest

from strongroom.crypto.key_material import KeyMaterial
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place, key_version_of, open_sealed
from strongroom.crypto.srn1_parts import PART_BYTES_MAX
from strongroom.errors import KeyMissing, SealBudgetExceeded, Tampered
from strongroom.keyring import run_keys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import SEALS_PER_RUN_MAX, RunEncryptor, RunKeys, SealContext

PLACE = Place("wrun_1", "run_created", "", "input", 0, False, b"")
RING = parse_secrets("2:new,1:old")


def test_old_versions_read_and_the_highest_one_writes():
    keys = RunKeys(RING, "dpl")
    assert keys.writing_version == 2
    old = RunKeys(parse_secrets("1:old"), "dpl").seal(PLACE, b"x", key_version=1)
    assert keys.open(PLACE, old) == b"x"
    assert key_version_of(keys.seal(PLACE, b"x", key_version=keys.writing_version)) == 2


@pytest.mark.parametrize(
    ("ring", "deployment"),
    [(parse_secrets("2:other"), "dpl"), (RING, "dpl2"), (RING, "")],
    ids=["another secret", "another deployment", "no deployment"],
)
def test_another_host_cannot_open_a_run(ring, deployment):
    blob = RunKeys(RING, "dpl").seal(PLACE, b"x", key_version=2)
    with pytest.raises(Tampered):
        RunKeys(ring, deployment).open(PLACE, blob)


def test_an_unknown_version_is_a_missing_key():
    blob = RunKeys(parse_secrets("9:gone"), "dpl").seal(PLACE, b"x", key_version=9)
    with pytest.raises(KeyMissing, match="version 9"):
        RunKeys(RING, "dpl").open(PLACE, blob)
    with pytest.raises(KeyMissing, match="version 9"):
        RunKeys(RING, "dpl").seal(PLACE, b"x", key_version=9)


def test_a_border_between_deployment_and_run_cannot_shift():
    blob = RunKeys(RING, "dplw").seal(dataclasses.replace(PLACE, run_id="run_1"), b"x", key_version=2)
    with pytest.raises(Tampered):
        RunKeys(RING, "dpl").open(dataclasses.replace(PLACE, run_id="wrun_1"), blob)


def test_a_run_cannot_seal_more_than_its_budget(monkeypatch):
    monkeypatch.setattr(run_keys, "SEALS_PER_RUN_MAX", 3)
    keys = RunKeys(RING, "dpl")
    for _ in range(3):
        keys.seal(PLACE, b"x", key_version=2)
    with pytest.raises(SealBudgetExceeded):
        keys.seal(PLACE, b"x", key_version=2)
    keys.seal(dataclasses.replace(PLACE, run_id="wrun_2"), b"x", key_version=2)


def test_the_journals_index_counts_for_the_budget_after_a_restart():
    keys = RunKeys(RING, "dpl")
    with pytest.raises(SealBudgetExceeded) as caught:
        keys.seal(dataclasses.replace(PLACE, index=SEALS_PER_RUN_MAX), b"x", key_version=2)
    assert caught.value.details["limit"] == SEALS_PER_RUN_MAX
    keys.seal(PLACE, b"x", key_version=2)


def test_derived_keys_are_bounded_and_derived_again(monkeypatch):
    monkeypatch.setattr(run_keys, "KEYS_KEPT_MAX", 2)
    keys = RunKeys(RING, "dpl")
    places = [dataclasses.replace(PLACE, run_id=f"wrun_{number}") for number in range(5)]
    blobs = [keys.seal(place, b"x", key_version=2) for place in places]
    assert len(keys._entries) == 2
    assert [keys.open(place, blob) for place, blob in zip(places, blobs, strict=True)] == [b"x"] * 5


def test_every_part_of_a_large_value_counts_for_the_budget(monkeypatch):
    monkeypatch.setattr(run_keys, "SEALS_PER_RUN_MAX", 4)
    keys = RunKeys(RING, "dpl")
    large = keys.seal(PLACE, b"x" * (2 * PART_BYTES_MAX + 1), key_version=2)
    assert keys.open(PLACE, large) == b"x" * (2 * PART_BYTES_MAX + 1)
    with pytest.raises(SealBudgetExceeded):
        keys.seal(PLACE, b"x" * (PART_BYTES_MAX + 1), key_version=2)
    keys.seal(PLACE, b"x", key_version=2)


def test_the_parts_that_a_run_has_count_after_a_restart(monkeypatch):
    monkeypatch.setattr(run_keys, "SEALS_PER_RUN_MAX", 4)
    sizes = [len(RunKeys(RING, "dpl").seal(PLACE, b"x" * (2 * PART_BYTES_MAX + 1), key_version=2)), 40]
    keys = RunKeys(RING, "dpl")
    keys.sealed_before("wrun_1", sizes, key_version=2)
    with pytest.raises(SealBudgetExceeded):
        keys.seal(PLACE, b"x", key_version=2)


def test_an_encryptor_has_the_three_parts():
    encryptor = RunEncryptor(RING, "dpl")
    sealed = encryptor.encrypt(b"value", SealContext(PLACE, 2))
    assert encryptor.decrypt(sealed, SealContext(PLACE)) == b"value"
    material = encryptor.get_key_material("wrun_1")
    assert open_sealed(lambda _version: Key(material.key), PLACE, sealed) == b"value"
    assert (material.algorithm, material.kdf) == ("AES-256-GCM", "HKDF-SHA256")
    assert material.derivation_context == {"deployment_id": "dpl", "run_id": "wrun_1", "key_version": "2"}


def test_key_material_is_of_one_run_and_of_the_version_it_began_with():
    encryptor = RunEncryptor(RING, "dpl")
    keys = {encryptor.get_key_material(run, key_version=v).key for run in ("wrun_1", "wrun_2") for v in (1, 2)}
    assert len(keys) == 4
    assert not keys & {RING.subroot("runs", version)._raw for version in (1, 2)}
    old = RunKeys(RING, "dpl").seal(PLACE, b"old", key_version=1)
    key = Key(encryptor.get_key_material("wrun_1", key_version=1).key)
    assert open_sealed(lambda _version: key, PLACE, old) == b"old"
    with pytest.raises(KeyMissing, match="version 9"):
        encryptor.get_key_material("wrun_1", key_version=9)


def test_key_material_shows_nothing_and_cannot_be_copied():
    material = RunEncryptor(RING, "dpl").get_key_material("wrun_1")
    assert (repr(material), str(material), f"{[material]}") == ("<KeyMaterial>", "<KeyMaterial>", "[<KeyMaterial>]")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(material)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(material)
    assert material != KeyMaterial(material.key, material.derivation_context), "nothing is compared by accident"
    with pytest.raises(TypeError):
        material.derivation_context["run_id"] = "wrun_2"
