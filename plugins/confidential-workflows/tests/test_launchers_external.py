"""Runners that somebody else starts: one for each connection, configured there, ended when this end hangs up."""

import os
import socket
import stat
from pathlib import Path

import pytest

from strongroom.plugin import Misconfigured, Unavailable
from strongroom_confidential_workflows.launchers.address import Address
from strongroom_confidential_workflows.launchers.external import ExternalStarter
from strongroom_confidential_workflows.launchers.far_settings import read_far_settings
from strongroom_confidential_workflows.messages import CapabilityCall, encode
from tests.fakes.far_side import FarSide, free_port
from tests.fakes.runner_modes import needs_bubblewrap
from tests.fakes.runner_rig import RunnerRig
from tests.fakes.scripted_guest import until

CANARY = b"canary-51b0c7"


@pytest.fixture
def rig(tmp_path):
    return RunnerRig(tmp_path, values={"Foo": CANARY})


@pytest.fixture
def far(rig, tmp_path):
    """Starts far sides, at a socket in the file system unless it is told otherwise."""
    sides = []

    def far(address="", **options):
        sides.append(FarSide(rig, tmp_path, address or f"unix:{tmp_path}/runners", **options))
        sides[-1].said("(listening at)")
        return sides[-1]

    yield far
    for side in sides:
        if side.process.poll() is None:
            side.stop()


def vsock_port():
    """A free port of this machine over vsock; None where the kernel has no loopback for it."""
    try:
        with socket.socket(socket.AF_VSOCK) as probe:
            probe.bind((1, socket.VMADDR_PORT_ANY))
            return probe.getsockname()[1]
    except (OSError, AttributeError):
        return None


def executed(rig, runner):
    """The end of an execution there."""
    try:
        runner.wait_ready(30)
        rig.start(runner, "secrets")
        finished = rig.until(runner)
        runner.wait(30)  # it ends by itself; hanging up now would be another end
        return finished
    finally:
        runner.close()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_an_execution_goes_through_a_connection(far, rig, kind):
    goes_through(far({"unix": "", "tcp": f"tcp:127.0.0.1:{free_port()}"}[kind]), rig)


def test_an_execution_goes_over_vsock_where_the_kernel_can_and_says_where_it_cannot(far, rig):
    if port := vsock_port():
        goes_through(far(f"vsock:1:{port}"), rig)
        return
    with pytest.raises(Unavailable, match="no enclave runner answers at vsock:1:5000") as refused:
        ExternalStarter(Address.parse("vsock:1:5000")).start()
    assert refused.value.code == "SR-ENCL-022"


def goes_through(side, rig):
    finished = executed(rig, side.start())
    assert (finished.outcome, finished.error) == ("result", "")
    assert CANARY in finished.result
    assert side.said(r"runner \d+ ended with status (-?\d+)") == ["0"]


def test_each_connection_has_a_runner_of_its_own_that_says_what_protects_it(far):
    side = far()
    runners = [side.start(), side.start()]
    pids = {runner.wait_ready(30).pid for runner in runners}
    assert len(pids) == 2
    assert pids == set(map(int, side.said(r"runner (\d+) started", count=2)))
    for runner in runners:
        runner.close()


def test_runners_there_can_have_namespaces_of_their_own(far, rig):
    needs_bubblewrap()
    finished = executed(rig, far(launcher="bubblewrap").start())
    assert CANARY in finished.result


def test_a_configuration_from_this_end_is_refused(far, rig):
    side = far()
    runner = side.start()
    runner.wait_ready(30)
    runner.frames.send(encode(rig.settings.configure()))
    assert runner.frames.receive(30) is None
    assert runner.end() == "closed the connection"
    assert side.said(r"ended with status (\d+)") == ["76"]
    runner.close()


def test_a_configuration_that_is_sent_at_once_is_refused_too(far, rig):
    side = far()
    runner = side.start()
    runner.frames.send(encode(rig.settings.configure()))
    runner.wait_ready(30)
    assert runner.frames.receive(30) is None
    assert side.said(r"ended with status (\d+)") == ["76"]
    runner.close()


def test_a_runner_ends_when_this_end_hangs_up_in_mid_run(far, rig):
    side = far()
    runner = side.start()
    runner.wait_ready(30)
    rig.start(runner, "async-calls")
    assert isinstance(rig.until(runner, CapabilityCall), CapabilityCall)
    runner.kill()
    assert not runner.is_alive()
    assert side.said(r"ended with status (\d+)") == ["75"]
    runner.close()


def test_a_connection_more_than_there_are_places_is_closed_and_a_place_comes_free(far, rig):
    side = far(runners_max=1)
    first = side.start()
    first.wait_ready(30)
    second = side.start()
    with pytest.raises(Unavailable, match="did not start: it closed the connection") as refused:
        second.wait_ready(30)
    assert refused.value.code == "SR-ENCL-023"
    second.close()
    assert side.said(r"(a connection was closed: 1 runners run)")
    first.close()
    side.said("(ended with status)")
    assert executed(rig, side.start()).outcome == "result"


def test_runners_end_with_what_started_them(far):
    side = far()
    runner = side.start()
    pid = runner.wait_ready(30).pid
    assert side.stop() == 0
    runner.wait(30)
    assert not runner.is_alive()
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())
    runner.close()


def test_nobody_there_is_an_error_that_says_where(tmp_path):
    for address in (f"unix:{tmp_path}/nobody", f"tcp:127.0.0.1:{free_port()}"):
        side = FarAway(address)
        with pytest.raises(Unavailable, match=f"no enclave runner answers at {address}") as refused:
            side.start()
        assert refused.value.code == "SR-ENCL-022"


class FarAway(FarSide):
    """Nobody."""

    def __init__(self, address):
        self.address = address


def test_a_socket_in_the_file_system_is_its_owners_alone_and_goes_with_it(far, tmp_path):
    side = far()
    path = tmp_path / "runners"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    side.stop()
    assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(far, rig, tmp_path):
    path = tmp_path / "runners"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    far()
    second = FarSide(rig, tmp_path, f"unix:{path}")
    assert second.wait() == 1
    assert "Address already in use" in second.lines[-2]


def test_a_file_in_the_place_of_a_socket_is_left_alone(rig, tmp_path):
    path = tmp_path / "runners"
    path.write_text("mine")
    side = FarSide(rig, tmp_path, f"unix:{path}")
    assert side.wait() == 1
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:relative",
        f"unix:/{'x' * 107}",
        "unix:/x\0y",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:0",
        "tcp:127.0.0.1:65536",
        "tcp::80",
        "tcp:a b:80",
        "vsock:3",
        "vsock:-1:5",
        "vsock:4294967296:5",
        "http://x",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="is not unix:/path, tcp:host:port or vsock:cid:port"):
        Address.parse(text)


def test_addresses_of_every_kind_are_read():
    assert Address.parse("tcp:[::1]:8443").host == "::1"
    assert Address.parse("tcp:enclave.internal:8443").port == 8443
    assert (Address.parse("vsock:16:5000").number, Address.parse("vsock:16:5000").port) == (16, 5000)
    assert Address.parse(f"unix:/{'x' * 106}").path == f"/{'x' * 106}"


GOOD = 'enclave_config_file = "/etc/strongroom/enclave-config.cbor"\n'
EVIDENCE = '[evidence]\nkind = "tpm2"\npcrs = [0, 4]\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD, "evidence.kind must say"),
        (EVIDENCE, "enclave_config_file must be the absolute name"),
        ('enclave_config_file = "x"\n' + EVIDENCE, "enclave_config_file must be the absolute name"),
        (GOOD + 'launcher = "external"\n' + EVIDENCE, "launcher must be one of process, bubblewrap"),
        (GOOD + "runners_max = 0\n" + EVIDENCE, "runners_max must be a whole number in 1..64"),
        (GOOD + "runners_max = true\n" + EVIDENCE, "runners_max must be a whole number in 1..64"),
        (GOOD + "runner_max = 1\n" + EVIDENCE, "unknown key runner_max"),
        (GOOD + "evidence = 1\n", "evidence"),
        (GOOD + EVIDENCE + 'device = "/run/tpm"\n', "runners_max must be 1 where evidence.device is a socket"),
        ("\0", "Invalid|Illegal|Found invalid"),
        ("#" * 65_537, "larger than 65536 bytes"),
    ],
)
def test_a_configuration_there_that_is_none_is_refused_by_its_key(tmp_path, text, why):
    file = tmp_path / "enclave.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=why) as refused:
        read_far_settings(file)
    assert refused.value.code == "SR-ENCL-024"


def test_a_configuration_there_that_is_missing_is_told_before_anything_listens(rig, tmp_path):
    side = FarSide(rig, tmp_path, f"unix:{tmp_path}/runners")
    side.stop()
    with pytest.raises(Misconfigured, match="No such file") as refused:
        read_far_settings(tmp_path / "none.toml")
    assert refused.value.code == "SR-ENCL-024"


def test_a_good_configuration_has_a_default_for_the_rest(tmp_path):
    file = tmp_path / "enclave.toml"
    file.write_text(GOOD + EVIDENCE)
    found = read_far_settings(file)
    assert (found.launcher, found.runners_max, found.runners.evidence.kind) == ("process", 5, "tpm2")
    assert os.fspath(found.runners.enclave_config_file) == "/etc/strongroom/enclave-config.cbor"
