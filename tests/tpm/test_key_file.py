"""A keyring that a TPM seals is opened by that TPM, in the state that it was bound to, and by nothing else."""

import pytest

from strongroom.errors import InvalidInput, KeyMissing, Misconfigured, StrongroomError, Tampered, Unavailable
from strongroom.tpm.key_file import FILE_BYTES_MAX, TpmKeyFile, open_machine_tpm, seal_keyring
from tests.fakes.key_rig import text_of
from tests.fakes.software_tpm import SoftwareTpm, extend, needs_swtpm

TEXT = text_of(*range(1, 10))
"""Longer than what a TPM seals."""


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    """A software TPM of this module."""
    made = SoftwareTpm(tmp_path_factory.mktemp("tpm")).start()
    yield made
    made.kill()


def sealed(tpm, path, *, registers=(), text=TEXT):
    """The file for ``text`` at ``path``, and what opens it."""
    with tpm.wire() as wire:
        path.write_bytes(seal_keyring(wire, text, registers))
    return TpmKeyFile(path, tpm.path)


@needs_swtpm
@pytest.mark.parametrize("registers", [(), (7,), (0, 7, 23)], ids=["bound to nothing", "one register", "three"])
def test_a_keyring_of_any_length_comes_back_as_often_as_it_is_asked_for(tpm, tmp_path, registers):
    found = sealed(tpm, tmp_path / "keyring.tpm", registers=registers)
    assert len(TEXT) > 128
    # A software TPM has room for three keys: what was loaded before is gone by now.
    assert [found.load() for _ in range(5)] == [TEXT.encode()] * 5
    content = (tmp_path / "keyring.tpm").read_bytes()
    assert (content[:5], b"secret" in content) == (b"srtk\x01", False)
    assert (found.name, found.describe()) == ("tpm-file", str(tmp_path / "keyring.tpm"))


@needs_swtpm
def test_it_comes_back_after_the_machine_was_restarted(tmp_path):
    machine = SoftwareTpm(tmp_path).start()
    try:
        found = sealed(machine, tmp_path / "keyring.tpm", registers=(7,))
        machine.restart()
        assert found.load() == TEXT.encode()
    finally:
        machine.kill()


@needs_swtpm
def test_another_tpm_refuses_it(tpm, tmp_path):
    path = tmp_path / "keyring.tpm"
    sealed(tpm, path)
    other = SoftwareTpm(tmp_path).start()
    try:
        with pytest.raises(KeyMissing, match="does not open") as refused:
            TpmKeyFile(path, other.path).load()
    finally:
        other.kill()
    assert refused.value.code == "SR-KEY-037"
    assert "another TPM sealed it" in refused.value.why
    assert "recovery file" in refused.value.fix


@needs_swtpm
def test_a_register_that_changed_refuses_it_and_others_do_not(tpm, tmp_path):
    bound = sealed(tpm, tmp_path / "bound", registers=(16,))
    free = sealed(tpm, tmp_path / "free", registers=(7,))
    with tpm.wire() as wire:
        extend(wire, 16, b"another program was started")
    assert free.load() == TEXT.encode()
    with pytest.raises(KeyMissing, match="does not open") as refused:
        bound.load()
    assert refused.value.code == "SR-KEY-038"
    assert "another value" in refused.value.why
    assert sealed(tpm, tmp_path / "again", registers=(16,)).load() == TEXT.encode()


@needs_swtpm
@pytest.mark.parametrize("registers", [(), (7,)], ids=["bound to nothing", "one register"])
def test_no_flipped_byte_opens(tpm, tmp_path, registers):
    path = tmp_path / "keyring.tpm"
    found = sealed(tpm, path, registers=registers, text=text_of(1))
    content = path.read_bytes()
    codes = set()
    # Each byte in front, and some of each part behind it.
    for place in (*range(12), *range(12, len(content), 29), len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StrongroomError) as refused:
            found.load()
        assert isinstance(refused.value, KeyMissing | Misconfigured | Tampered)
        codes.add(refused.value.code)
    assert codes >= {"SR-KEY-035", "SR-KEY-037", "SR-SEAL-001"}
    path.write_bytes(content)
    assert found.load() == text_of(1).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"srtk",
        b"srtk\x02" + bytes(99),
        b"srtk\x01" + bytes(99),
        b"1:" + b"s" * 43,
        b"srtk\x01" + b"\0" * 4 + b"\xff",
    ],
    ids=["empty", "cut", "another format", "no parts", "a keyring as it is", "a part beyond the end"],
)
def test_what_is_no_such_file_is_said_so_before_a_tpm_is_asked(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(Misconfigured, match="is no TPM-sealed keyring") as refused:
        TpmKeyFile(tmp_path / "f", tmp_path / "no device").load()
    assert refused.value.code == "SR-KEY-035"


def test_a_file_has_a_limit(tmp_path):
    (tmp_path / "f").write_bytes(b"srtk\x01" + bytes(FILE_BYTES_MAX))
    with pytest.raises(Misconfigured) as refused:
        TpmKeyFile(tmp_path / "f").load()
    assert refused.value.why == f"it has more than {FILE_BYTES_MAX} bytes"


def test_no_file_is_no_keyring(tmp_path):
    assert TpmKeyFile(tmp_path / "f").load() is None


@pytest.mark.parametrize("there", ["nothing", "a file"])
def test_a_machine_without_a_tpm_is_told_what_to_do(tmp_path, there):
    if there == "a file":
        (tmp_path / "tpmrm0").write_bytes(b"")
    with pytest.raises(Misconfigured, match=f"no TPM at {tmp_path}/tpmrm0") as refused:
        open_machine_tpm(tmp_path / "tpmrm0")
    assert refused.value.code == "SR-KEY-036"
    assert "driver" in refused.value.fix


@needs_swtpm
def test_registers_that_no_tpm_has_are_refused(tpm):
    with tpm.wire() as wire, pytest.raises(InvalidInput) as refused:
        seal_keyring(wire, TEXT, {7, 24})
    assert (refused.value.code, refused.value.what) == ("SR-KEY-034", "there are no registers [24]")


@needs_swtpm
def test_a_tpm_that_went_away_is_no_wrong_key(tmp_path):
    machine = SoftwareTpm(tmp_path).start()
    found = sealed(machine, tmp_path / "keyring.tpm")
    machine.kill()
    with pytest.raises((Misconfigured, Unavailable)):
        found.load()
