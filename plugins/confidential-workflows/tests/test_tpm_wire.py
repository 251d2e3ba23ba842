"""What the client of a TPM makes of answers that are late, broken, or refusals."""

import os
import socket
import struct

import pytest

from strongroom.errors import Misconfigured, Unavailable
from strongroom.tpm.wire import COMMAND_BYTES_MAX, RETRIES_MAX, TpmRefused, TpmWire, sized
from strongroom_confidential_workflows.providers.tpm_counter import NvCounter
from strongroom_confidential_workflows.providers.tpm_keys import TpmPrimary, activate_credential, create_ak
from strongroom_confidential_workflows.providers.tpm_registers import check_selection, read_registers
from strongroom_confidential_workflows.providers.tpm_wire import open_tpm
from tests.fakes.software_tpm import answer, spoken

GET_RANDOM = 0x17B
BUSY, TESTING = 0x922, 0x90A
AT_ONCE_MS = 20
AK = TpmPrimary(bytes(4), b"")


@pytest.fixture
def saying():
    """Makes a wire to a TPM that gives these answers."""
    made = []

    def saying(*answers):
        descriptor, theirs = spoken(*answers)
        made.append((TpmWire(descriptor), theirs))
        return made[-1][0]

    yield saying
    for wire, theirs in made:
        wire.close()
        theirs.close()


def test_a_command_is_one_write_of_the_size_that_it_says(saying):
    descriptor, theirs = spoken(answer(b"random"))
    wire = TpmWire(descriptor)
    try:
        assert wire.run(GET_RANDOM, b"hand", auth=(b"auth",), parameters=b"par") == b"random"
        content = b"hand" + b"\0\0\0\4auth" + b"par"
        assert theirs.recv(4096) == struct.pack(">HII", 0x8002, 10 + len(content), GET_RANDOM) + content
    finally:
        wire.close()
        theirs.close()


@pytest.mark.parametrize("cut", range(1, 16))
def test_an_answer_may_come_in_pieces(saying, cut):
    whole = answer(b"random")
    assert saying(whole[:cut], whole[cut:]).run(GET_RANDOM) == b"random"


@pytest.mark.parametrize("busy", [BUSY, TESTING], ids=["retry", "testing"])
def test_a_busy_tpm_is_asked_again(saying, busy):
    wire = saying(answer(response=busy), answer(response=busy), answer(b"random"))
    assert wire.run(GET_RANDOM) == b"random"


def test_a_tpm_that_stays_busy_is_given_up(saying):
    wire = saying(*[answer(response=BUSY)] * (RETRIES_MAX + 1))
    with pytest.raises(TpmRefused) as refused:
        wire.run(GET_RANDOM)
    assert (refused.value.response, refused.value.code) == (BUSY, "SR-EVID-005")


def test_a_refusal_names_command_and_code_and_the_connection_goes_on(saying):
    wire = saying(answer(response=0x1D5), answer(b"random"))
    with pytest.raises(TpmRefused, match="command 17b: response code 1d5") as refused:
        wire.run(GET_RANDOM)
    assert refused.value.details == {"command": GET_RANDOM, "response": 0x1D5}
    assert wire.run(GET_RANDOM) == b"random"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "it ended early"),
        ([answer(b"random")[:-1]], "it ended early"),
        ([answer(b"random")[:9]], "it ended early"),
        ([answer(b"random") + b"\0"], "17 of 16 bytes"),
        ([answer(size=9)], "it says 9 bytes"),
        ([answer(size=4097)], "it says 4097 bytes"),
        ([answer(size=2**32 - 1)], "it says 4294967295 bytes"),
        ([answer(tag=0x00C4)], "tag 00c4"),
    ],
    ids=["nothing", "cut", "cut header", "too long", "too small", "too large", "huge", "another tag"],
)
def test_an_answer_that_is_none_closes_the_connection(saying, answers, why):
    wire = saying(*answers)
    with pytest.raises(Unavailable, match=why) as refused:
        wire.run(GET_RANDOM)
    assert refused.value.code == "SR-EVID-006"
    with pytest.raises(Unavailable, match="closed"):
        wire.run(GET_RANDOM)


def test_a_tpm_that_does_not_answer_is_given_up():
    ours, theirs = socket.socketpair()
    wire = TpmWire(ours.detach(), answer_timeout_ms=AT_ONCE_MS)
    with pytest.raises(Unavailable, match=f"did not answer: {AT_ONCE_MS} ms") as refused:
        wire.run(GET_RANDOM)
    assert refused.value.code == "SR-EVID-006"
    theirs.close()


def test_a_tpm_that_went_away_is_said_so(saying):
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(Unavailable, match="broke") as refused:
        TpmWire(ours.detach()).run(GET_RANDOM)
    assert refused.value.code == "SR-EVID-006"


def test_a_command_is_bounded(saying):
    with pytest.raises(Unavailable, match="a command is too large"):
        saying(answer()).run(GET_RANDOM, parameters=bytes(COMMAND_BYTES_MAX))


@pytest.mark.parametrize(
    "act",
    [
        create_ak,
        lambda wire: read_registers(wire, {0}),
        lambda wire: NvCounter(wire).read(),
        lambda wire: activate_credential(wire, AK, b"", b""),
    ],
    ids=["CreatePrimary", "PCR_Read", "NV_Read", "ActivateCredential"],
)
@pytest.mark.parametrize("size", range(8))
def test_parameters_that_end_early_are_no_answer(saying, act, size):
    with pytest.raises(Unavailable, match="malformed") as refused:
        act(saying(*[answer(b"\xff" * size)] * 4))
    assert refused.value.code == "SR-EVID-006"


@pytest.mark.parametrize(
    "selected",
    [
        struct.pack(">II", 0, 0),
        struct.pack(">IHB", 1, 0x0004, 3) + b"\1\0\0" + struct.pack(">I", 1) + sized(bytes(20)),
        struct.pack(">IHB", 1, 0x000B, 3) + b"\2\0\0" + struct.pack(">I", 1) + sized(bytes(32)),
        struct.pack(">IHB", 1, 0x000B, 3) + b"\1\0\0" + struct.pack(">I", 0),
        struct.pack(">IHB", 1, 0x000B, 3) + b"\0\0\0" + struct.pack(">I", 0),
    ],
    ids=["no bank", "SHA-1", "another register", "no value", "no register"],
)
def test_registers_that_a_tpm_does_not_give_are_said_so(saying, selected):
    with pytest.raises(Unavailable, match="does not give its registers") as refused:
        read_registers(saying(answer(bytes(4) + selected)), {0})
    assert refused.value.code == "SR-EVID-010"


@pytest.mark.parametrize("registers", [set(), {24}, {-1}, {0, 31}], ids=["none", "24", "below 0", "31"])
def test_registers_that_no_tpm_has_are_refused(registers):
    with pytest.raises(Misconfigured) as refused:
        check_selection(registers)
    assert refused.value.code == "SR-EVID-008"


def test_a_missing_tpm_is_named_with_what_to_do(tmp_path):
    with pytest.raises(Misconfigured, match=f"tpm2 needs {tmp_path}/tpmrm0") as refused:
        open_tpm(tmp_path / "tpmrm0", kind="tpm2")
    assert refused.value.code == "SR-EVID-002"
    assert "driver" in refused.value.fix


def test_a_file_is_no_tpm(tmp_path):
    (tmp_path / "tpmrm0").write_bytes(b"")
    with pytest.raises(Misconfigured, match="no device of evidence kind tpm2") as refused:
        open_tpm(tmp_path / "tpmrm0", kind="tpm2")
    assert refused.value.code == "SR-EVID-003"


def test_a_socket_without_a_tpm_behind_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("t")
    with pytest.raises(Misconfigured, match="nothing takes connections at") as refused:
        open_tpm(tmp_path.joinpath("t"), kind="tpm2")
    assert refused.value.code == "SR-EVID-007"


def test_a_device_is_spoken_to_like_a_socket(tmp_path):
    """A terminal in raw mode is the one device that a test can stand behind."""
    tty = pytest.importorskip("tty")
    master, slave = os.openpty()
    tty.setraw(slave)
    (tmp_path / "tpmrm0").symlink_to(os.ttyname(slave))
    wire = open_tpm(tmp_path / "tpmrm0", kind="tpm2")
    try:
        os.write(master, answer(b"random"))
        assert wire.run(GET_RANDOM) == b"random"
    finally:
        wire.close()
        os.close(master)
        os.close(slave)
