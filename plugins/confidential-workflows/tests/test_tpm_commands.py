"""What the operator of a machine with a TPM is told, and what is refused. The whole path is in tests/scenarios."""

import subprocess
import sys
import tomllib

import pytest

from strongroom.attest.tpm_keys import parse_public
from strongroom.plugin import Unavailable
from strongroom.tpm.wire import TpmWire
from strongroom_confidential_workflows.providers.tpm_certificate import INDEX, read_ek_certificate
from strongroom_confidential_workflows.providers.tpm_keys import flush_left_over
from strongroom_confidential_workflows.tpm_commands import main
from tests.fakes.software_tpm import SoftwareTpm, answer, needs_swtpm, spoken, store

DER = b"\x30\x82\x04\x00" + bytes(1024)
"""As long as a certificate of a TPM is, and begun like one."""


@pytest.fixture
def tpm(tmp_path):
    tpm = SoftwareTpm(tmp_path).start()
    yield tpm
    tpm.kill()


@pytest.fixture
def asked(capsys):
    """The exit code, stdout and stderr of a command."""

    def asked(*arguments):
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return asked


@needs_swtpm
def test_registers_and_key_are_shown_as_lines_of_a_policy(tpm, tmp_path):
    command = [sys.executable, "-m", "strongroom_confidential_workflows", "tpm", "show", "--name", "release-7"]
    files = ["--device", str(tpm.path), "--ak", str(tmp_path / "ak")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    zeros = "00" * 32
    entry = {"name": "release-7", "pcrs": dict.fromkeys(["0", "2", "4", "7"], zeros)}
    assert tomllib.loads(done.stdout) == {"accept": {"tpm2": [entry]}}
    assert parse_public("tpm", (tmp_path / "ak").read_bytes()).name.hex() in done.stdout


@needs_swtpm
def test_the_certificate_is_read_without_what_fills_its_place(tpm, tmp_path, asked):
    with tpm.wire() as wire:
        store(wire, INDEX, DER + b"\xff" * 300)
    code, _, err = asked("show", "--device", tpm.path, "--ek", tmp_path / "ek.der")
    assert (code, err) == (0, "")
    assert (tmp_path / "ek.der").read_bytes() == DER


@needs_swtpm
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is nothing at its place"),
        (b"no certificate", "what stands at its place is none"),
        (DER[:-1], "what stands at its place is none"),
        (bytes(2), "what stands at its place is none"),
    ],
)
def test_a_tpm_without_a_certificate_is_told_and_nothing_is_written(tpm, tmp_path, asked, content, why):
    if content is not None:
        with tpm.wire() as wire:
            store(wire, INDEX, content)
    code, out, err = asked("show", "--device", tpm.path, "--ak", tmp_path / "ak", "--ek", tmp_path / "ek.der")
    assert (code, out) == (73, "")
    assert "SR-EVID-018" in err
    assert why in err
    assert not (tmp_path / "ak").exists()


@needs_swtpm
def test_no_file_is_overwritten(tpm, tmp_path, asked):
    (tmp_path / "ak").write_text("mine")
    code, out, err = asked("show", "--device", tpm.path, "--ak", tmp_path / "ak")
    assert (code, out) == (73, "")
    assert "SR-EVID-016" in err
    assert (tmp_path / "ak").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "--device", "/nowhere"], "SR-EVID-002"),
        (["show", "--device", "/dev/null", "--pcrs", "24"], "SR-EVID-008"),
        (["show", "--device", "/etc/hostname"], "SR-EVID-003"),
        (["answer", "/nowhere"], "SR-EVID-016"),
    ],
)
def test_a_file_or_device_that_cannot_be_used_is_named(asked, arguments, code):
    exit_code, out, err = asked(*arguments)
    assert (exit_code, out) == (73, "")
    assert err.startswith(code)


@pytest.mark.parametrize("arguments", [[], ["show", "--pcrs", "x"], ["show", "--kind", "nitro"], ["answer"]])
def test_other_words_are_usage(asked, arguments):
    code, out, err = asked(*arguments)
    assert (code, out) == (64, "")
    assert "usage:" in err


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "SR-ATTEST-001"), (b"\xa0", "SR-ATTEST-001"), (bytes(1025), "SR-ATTEST-002")]
)
def test_a_challenge_that_is_none_never_reaches_a_tpm(tmp_path, asked, content, code):
    (tmp_path / "c").write_bytes(content)
    exit_code, out, err = asked("answer", tmp_path / "c", "--device", "/nowhere")
    assert (exit_code, out) == (1, "")
    assert err.startswith(code)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (flush_left_over, [answer(b"")]),
        (flush_left_over, [answer(b"\0\0\0\0\1\xff\xff\xff\xff")]),
        (read_ek_certificate, [answer(b"\0\1")]),
        (read_ek_certificate, [answer(b"\0\2\x10\x01")]),
        (read_ek_certificate, [answer(b"\0\2\x00\x04"), answer(b"\0\0\0\4\0\2ab", tag=0x8002)]),
    ],
    ids=["no handles", "more handles than bytes", "cut", "more than a certificate", "less than was asked for"],
)
def test_an_answer_of_a_tpm_that_makes_no_sense_is_refused(read, said):
    descriptor, theirs = spoken(*said)
    wire = TpmWire(descriptor)
    with pytest.raises(Unavailable):
        read(wire)
    wire.close()
    theirs.close()
