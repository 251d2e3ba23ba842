"""The encryptor of a deployment beyond the cases of the proposal: missing parts, settings, budgets, nothing shown."""

import copy
import pickle
from types import SimpleNamespace

import pytest

from strongroom.errors import InvalidInput, Misconfigured, SealBudgetExceeded
from strongroom.interop import encryptor as module
from strongroom.interop.encryptor import (
    EmptyEncryptor,
    EncryptionContext,
    create_encryptor,
    create_encryptor_from_env,
    maybe_decrypt,
    maybe_encrypt,
)
from tests.fakes.payload_faults import fault_of

RAW = bytes(range(32))
ENCRYPTOR = create_encryptor(deployment_key=RAW, project_id="prj")
CONTEXT = EncryptionContext("wrun_1")
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_deployment_key_of_another_length_is_refused_at_once(size):
    with pytest.raises(InvalidInput, match=f"expected 32 bytes for AES-256, got {size} bytes"):
        create_encryptor(deployment_key=bytes(size), project_id="prj")


def test_an_empty_project_is_refused_at_once():
    with pytest.raises(InvalidInput, match="projectId must be a non-empty string"):
        create_encryptor(deployment_key=RAW, project_id="")


@pytest.mark.parametrize("missing", ["VERCEL_DEPLOYMENT_KEY", "VERCEL_PROJECT_ID"])
def test_a_variable_that_is_empty_is_missing(missing):
    environ = {"VERCEL_DEPLOYMENT_KEY": KEY_TEXT, "VERCEL_PROJECT_ID": "prj", missing: ""}
    assert isinstance(create_encryptor_from_env(environ), EmptyEncryptor)


def test_the_environment_of_the_process_is_read_where_none_is_given(monkeypatch):
    monkeypatch.delenv("VERCEL_DEPLOYMENT_KEY", raising=False)
    assert isinstance(create_encryptor_from_env(), EmptyEncryptor)
    monkeypatch.setenv("VERCEL_DEPLOYMENT_KEY", KEY_TEXT + "\n")
    monkeypatch.setenv("VERCEL_PROJECT_ID", "prj")
    assert ENCRYPTOR.decrypt(create_encryptor_from_env().encrypt(b"x", CONTEXT), CONTEXT) == b"x"


def test_a_deployment_key_that_is_no_key_is_named_by_its_variable_and_not_shown():
    for text, kind in (("not base64 at all!", Misconfigured), ("AAECAw==", InvalidInput)):
        with pytest.raises(kind) as caught:
            create_encryptor_from_env({"VERCEL_DEPLOYMENT_KEY": text, "VERCEL_PROJECT_ID": "prj"})
        assert text not in f"{caught.value!r} {caught.value} {caught.value.fix} {caught.value.details}"


def test_an_encryptor_shows_nothing_and_gives_nothing_but_keys_of_runs():
    given = [ENCRYPTOR.get_key_material(run).key for run in ("wrun_1", "wrun_2", "")]
    assert len({*given, RAW}) == 4
    assert repr(ENCRYPTOR) == "<Encryptor>"
    for spread in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            spread(ENCRYPTOR)


def test_what_has_no_part_passes_nothing_on_unless_it_is_said():
    sealed = ENCRYPTOR.encrypt(b"devl[1]", CONTEXT)
    for empty in (EmptyEncryptor(), SimpleNamespace(), None):
        assert maybe_encrypt(empty, b"devl[1]", CONTEXT, strict=False) == b"devl[1]"
        with pytest.raises(InvalidInput, match="in the clear"):
            maybe_encrypt(empty, b"devl[1]", CONTEXT)
        assert maybe_decrypt(empty, b"devl[1]", CONTEXT, strict=False) == b"devl[1]"
        assert fault_of(lambda empty=empty: maybe_decrypt(empty, b"devl[1]", CONTEXT)).code == "SR-INTEROP-020"
        for in_stream, text in ((False, "Encrypted data"), (True, "Encrypted stream data")):
            for strict in (True, False):
                error = fault_of(
                    lambda empty=empty, in_stream=in_stream, strict=strict: maybe_decrypt(
                        empty, sealed, CONTEXT, in_stream=in_stream, strict=strict
                    )
                )
                assert str(error) == f"{text} encountered but Encryptor does not support decryption."


def test_a_part_alone_is_used():
    seals, opens = SimpleNamespace(encrypt=ENCRYPTOR.encrypt), SimpleNamespace(decrypt=ENCRYPTOR.decrypt)
    for data in (b"devl[1]", bytearray(b"devl[1]"), memoryview(b"devl[1]")):
        sealed = maybe_encrypt(seals, data, CONTEXT)
        assert sealed[:4] == b"encr"
        assert maybe_decrypt(opens, sealed, CONTEXT) == b"devl[1]"
    assert maybe_decrypt(opens, bytearray(sealed), CONTEXT) == b"devl[1]"


@pytest.mark.parametrize("value", [["legacy"], None, "text", {"a": 1}], ids=repr)
def test_data_that_is_not_binary_is_neither_encrypted_nor_decrypted(value):
    assert maybe_encrypt(ENCRYPTOR, value, CONTEXT, strict=False) == value
    assert maybe_decrypt(ENCRYPTOR, value, CONTEXT, strict=False) == value
    with pytest.raises(InvalidInput):
        maybe_encrypt(ENCRYPTOR, value, CONTEXT)
    assert fault_of(lambda: maybe_decrypt(ENCRYPTOR, value, CONTEXT)).byte_length == 0


def test_a_run_has_a_budget(monkeypatch):
    monkeypatch.setattr(module, "SEALS_PER_RUN_MAX", 2)
    made = create_encryptor(deployment_key=RAW, project_id="prj")
    sealed = [made.encrypt(b"x", CONTEXT) for _ in range(2)]
    with pytest.raises(SealBudgetExceeded, match="more than 2 payloads of run wrun_1"):
        made.encrypt(b"x", CONTEXT)
    assert made.encrypt(b"x", EncryptionContext("wrun_2"))
    assert [made.decrypt(each, CONTEXT) for each in sealed] == [b"x"] * 2


def test_keys_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "KEYS_KEPT_MAX", 2)
    made = create_encryptor(deployment_key=RAW, project_id="prj")
    sealed = [made.encrypt(b"x", EncryptionContext(f"wrun_{number}")) for number in range(5)]
    assert len(made._entries) == 2
    assert [made.decrypt(each, EncryptionContext(f"wrun_{n}")) for n, each in enumerate(sealed)] == [b"x"] * 5
