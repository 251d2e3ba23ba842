"""How runners are started and ended: spares, old ones, those that do not start; what each launcher says of itself."""

import logging
import os
import shutil
import signal
import sys
import threading

import pytest

from strongroom.plugin import Misconfigured, Unavailable
from strongroom_confidential_workflows import launcher as launcher_module
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.launchers import bubblewrap
from strongroom_confidential_workflows.launchers.choice import LAUNCHERS, check_launcher, open_starter
from strongroom_confidential_workflows.launchers.process import ProcessStarter, runner_command
from strongroom_confidential_workflows.launchers.runner import STATEMENT
from strongroom_confidential_workflows.messages import encode
from strongroom_confidential_workflows.runner_process import RunnerProcess
from tests.fakes.runner_modes import needs_bubblewrap
from tests.fakes.runner_rig import RunnerRig

LOG = logging.getLogger("launcher-under-test")


@pytest.fixture
def rig(tmp_path):
    return RunnerRig(tmp_path)


class Starter:
    """Starts what a test says."""

    name = "test"
    statement = "protects nobody"
    protections = ("hope",)

    def __init__(self, start):
        self.start = start


@pytest.fixture
def launch(rig):
    started = []

    def make(spares=0, start=None):
        starter = ProcessStarter(rig.settings.configure) if start is None else Starter(start)
        started.append(Launcher(LOG, spares=spares, starter=starter, edition=rig.settings.edition))
        started[-1].start()
        return started[-1]

    yield make
    for launcher in started:
        launcher.close()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_runner_that_cannot_start_gives_its_last_words(launch, rig):
    def start():
        configuration = encode(rig.settings.configure())
        return RunnerProcess(lambda fd: [sys.executable, "-I", "-m", "no_such_module", str(fd)], configuration)

    with pytest.raises(Unavailable, match=r"it exited with code 1: .*no_such_module") as refused:
        launch(start=start).take(20)
    assert refused.value.code == "SR-ENCL-010"


def test_a_runner_whose_device_is_missing_says_which(launch, tmp_path):
    rig = RunnerRig(tmp_path, evidence={"kind": "tpm2", "device": str(tmp_path / "none"), "pcrs": [0]})
    starter = ProcessStarter(rig.settings.configure)
    with pytest.raises(Unavailable, match=rf"exited with code 78: SR-EVID-002 .*{tmp_path}/none"):
        launch(start=starter.start).take(20)


def test_a_program_that_cannot_be_started_is_an_error_and_not_a_hang(launch):
    def fails():
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(Unavailable, match="no enclave runner could be started: No such file"):
        launch(start=fails).take(20)


def test_a_configuration_that_cannot_be_made_is_told_with_its_code(launch, rig):
    rig.config_file.write_bytes(b"\xff")
    with pytest.raises(Unavailable, match="cannot be used") as refused:
        launch().take(20)
    assert refused.value.code == "SR-ENCL-013"


def test_a_taker_that_runs_out_of_time_is_told(launch, rig):
    release = threading.Event()

    def slow():
        assert release.wait(30)
        return ProcessStarter(rig.settings.configure).start()

    launcher = launch(start=slow)
    with pytest.raises(Unavailable, match="no enclave runner was ready in time"):
        launcher.take(0.01)
    release.set()


def test_a_spare_is_ready_before_it_is_wanted_and_is_replaced(launch):
    launcher = launch(spares=1)
    first = launcher.take(20)
    second = launcher.take(20)
    assert first.pid != second.pid
    launcher.end(first)
    launcher.end(second)
    assert not is_running(first.pid)


def test_a_spare_that_died_while_it_waited_is_not_handed_out(launch):
    launcher = launch(spares=1)
    spare = launcher._ready.get(timeout=60)
    os.kill(spare.pid, signal.SIGKILL)
    spare.wait(20)
    launcher._ready.put(spare)
    taken = launcher.take(20)
    assert taken is not spare
    assert taken.is_alive()


def test_a_spare_whose_configuration_is_old_is_not_handed_out(launch):
    launcher = launch(spares=1)
    spare = launcher._ready.get(timeout=60)
    spare.started_s -= launcher_module.SPARE_AGE_S_MAX
    launcher._ready.put(spare)
    taken = launcher.take(20)
    assert taken is not spare
    assert not spare.is_alive()


def test_a_spare_from_before_the_vault_wrote_another_configuration_is_not_handed_out(launch, rig):
    launcher = launch(spares=1)
    spare = launcher._ready.get(timeout=60)
    launcher._ready.put(spare)
    content = rig.config_file.read_bytes()
    rig.config_file.unlink()
    rig.config_file.write_bytes(content)
    os.utime(rig.config_file, ns=(1, 1))
    assert launcher.take(20) is not spare
    assert not spare.is_alive()


def test_closing_ends_spares_and_starts_no_more(launch):
    launcher = launch(spares=2)
    taken = launcher.take(20)
    pids = {runner.pid for runner in launcher._living}
    launcher.close()
    assert taken.pid in pids
    assert not any(is_running(pid) for pid in pids)


def test_a_report_names_the_launcher_before_what_the_runner_says(launch, rig):
    launcher = launch(start=ProcessStarter(rig.settings.configure).start)
    report = launcher.report()
    assert report.protections[:2] == ("launcher-test", "hope")
    assert "seccomp" in [*report.protections, *(text.split(":")[0] for text in report.missing)]
    assert (report.evidence_kind, len(report.measurement)) == ("insecure-software", 32)


def test_a_check_starts_a_runner_again_only_when_the_last_one_did_not_start(launch, rig):
    works, starts = ProcessStarter(rig.settings.configure).start, []
    broken = threading.Event()

    def start():
        starts.append(1)
        if broken.is_set():
            raise FileNotFoundError(2, "No such device")
        return works()

    launcher = launch(start=start)
    assert launcher.check(20) == launcher.check(20) == launcher.report()
    assert len(starts) == 1
    broken.set()
    with pytest.raises(Unavailable, match="No such device"):
        launcher.take(20)
    with pytest.raises(Unavailable, match="No such device") as refused:
        launcher.check(20)
    assert refused.value.code == "SR-ENCL-010"
    assert launcher.report().evidence_kind, "what a runner said of itself stays known"
    broken.clear()
    assert launcher.check(20).evidence_kind == "insecure-software"


def test_a_launcher_says_from_whom_it_protects(launch, caplog):
    with caplog.at_level(logging.INFO):
        launch()
    assert f"launcher process {STATEMENT}" in caplog.text
    assert STATEMENT.endswith("not against the root user of the host")


def test_a_runner_gets_no_environment_and_nothing_secret_in_its_arguments(launch):
    runner = launch().take(20)
    arguments = (f"/proc/{runner.pid}/cmdline", f"/proc/{runner.pid}/environ")
    with open(arguments[0], "rb") as file:  # noqa: PTH123 - a file of the kernel
        command = file.read().split(b"\0")
    assert command[1:4] == [b"-I", b"-m", b"strongroom_confidential_workflows.enclave"]
    assert len([part for part in command[4:] if part]) == 1
    try:
        with open(arguments[1], "rb") as file:  # noqa: PTH123
            assert file.read() == b"LC_ALL=C.UTF-8\0"
    except PermissionError:
        pass  # closed to this user, which is better still


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("podman", "", "launcher must be one of process, bubblewrap, external"),
        (None, "", "launcher must be one of"),
        ("external", "", "external_address belongs to launcher external, which needs it"),
        ("process", "unix:/run/x", "and to no other"),
        ("external", "http://127.0.0.1", "external_address: 'http://127.0.0.1' is not unix:/path"),
        ("external", 7, "external_address belongs"),
    ],
)
def test_a_launcher_that_there_is_not_is_refused_by_name(name, address, said):
    with pytest.raises(ValueError, match=said):
        check_launcher(name, address)


def test_each_launcher_is_opened_by_its_name(rig):
    for name in LAUNCHERS:
        if name == bubblewrap.NAME:
            needs_bubblewrap()
        address = "unix:/nowhere" if name == "external" else ""
        assert open_starter(name, rig.settings.configure, external_address=address).name == name


def test_without_bubblewrap_nothing_else_is_taken_in_its_place(rig, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    with pytest.raises(Misconfigured, match="launcher bubblewrap needs the program bwrap") as refused:
        open_starter("bubblewrap", rig.settings.configure)
    assert refused.value.code == "SR-ENCL-020"


def test_a_kernel_that_refuses_namespaces_is_an_error_with_its_words(rig, tmp_path, monkeypatch):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _program: str(refusing))
    runner = open_starter("bubblewrap", rig.settings.configure).start()
    with pytest.raises(Unavailable, match="exited with code 1: bwrap: No permissions to create new") as refused:
        runner.wait_ready(20)
    assert refused.value.code == "SR-ENCL-021"
    runner.close()


def test_what_bubblewrap_shows_a_runner_is_for_reading_and_is_its_program_alone(tmp_path):
    device = tmp_path / "device"
    device.touch()
    command = bubblewrap.wrapped("bwrap", device, 7)
    shown = [command[at + 1] for at, word in enumerate(command) if word.endswith("bind")]
    writable = [command[at + 1] for at, word in enumerate(command) if word in {"--bind", "--dev-bind"}]
    assert writable == [str(device)]
    assert {"/", "/etc", "/home", "/root", "/var", "/tmp", "/run"}.isdisjoint(shown)
    assert command[: len(bubblewrap.ISOLATION) + 1] == ["bwrap", *bubblewrap.ISOLATION]
    assert command[command.index("--") + 1 :] == runner_command(7)
    assert command[command.index("--") - 2 : command.index("--")] == ["--remount-ro", "/"]
