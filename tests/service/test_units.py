"""What systemd itself says of the units that are shipped: nothing is wrong with them, and how exposed they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from strongroom.cli.service_files import UNITS, files
from tests.faults import figures

SHIPPED = Path(__file__).resolve().parents[2] / "daemon" / "service"
SERVICES = [name for name in UNITS if name.endswith(".service")]
# What is demanded of every unit, and of those that reach no network.
EXPOSURE_MAX = {"strongroom.service": 1.5, "strongroom-local": 0.5, "strongroom-runner.service": 0.5}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


@pytest.fixture
def units(tmp_path):
    """The units with programs that are there, as far as systemd looks."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("strongroomd", "strongroom-runner"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for file in files(programs):
        if Path(file.target).name in UNITS:
            (tmp_path / Path(file.target).name).write_bytes(file.content)
    return tmp_path


def drop_in(units, name):
    """Have a drop-in apply to the host's unit."""
    folder = units / "strongroom.service.d"
    folder.mkdir(exist_ok=True)
    shutil.copy(SHIPPED / "drop-ins" / name, folder)


def analyze(units, *words):
    return subprocess.run(
        ["systemd-analyze", *words],  # noqa: S607 - where the system has it
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
    )


def exposure(units, name):
    ended = analyze(units, "security", "--offline=true", "--no-pager", name)
    assert ended.returncode == 0, ended.stderr
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", ended.stdout)[1])


@needs_systemd
@pytest.mark.parametrize(
    "drop_ins", [[], sorted(p.name for p in (SHIPPED / "drop-ins").iterdir())], ids=["bare", "all"]
)
def test_systemd_finds_nothing_wrong_with_the_units(units, drop_ins):
    for name in drop_ins:
        drop_in(units, name)
    # The manual pages of another package are none of ours.
    ended = analyze(units, "verify", "--man=no", *(f"./{name}" for name in UNITS))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("what", EXPOSURE_MAX)
def test_no_unit_is_more_exposed_than_is_demanded(units, what):
    if what == "strongroom-local":
        drop_in(units, "strongroom-local.conf")
    measured = exposure(units, what if what in SERVICES else "strongroom.service")
    met = measured <= EXPOSURE_MAX[what]
    figures.record("O8", f"exposure of {what}", demanded=f"<= {EXPOSURE_MAX[what]}", measured=measured, met=met)
    assert met, f"{what}: {measured}"


def lines(name):
    return [line for line in (SHIPPED / name).read_text().splitlines() if line and line[0] not in "#["]


def test_what_holds_keys_makes_no_memory_executable_and_what_executes_guests_holds_no_key():
    host, runner = (lines(name) for name in ("strongroom.service", "strongroom-runner.service"))
    assert "MemoryDenyWriteExecute=yes" in host
    assert not [line for line in runner if line.startswith(("MemoryDenyWriteExecute", "LoadCredential", "StateDir"))]
    assert "PrivateNetwork=yes" in runner
    assert "RestrictAddressFamilies=AF_UNIX" in runner


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=30s",
        "TimeoutStartSec=90s",
        "TimeoutStopSec=120s",
        "DynamicUser=yes",
        "StateDirectoryMode=0700",
        "RuntimeDirectoryMode=0750",
        "LogsDirectoryMode=0750",
        "UMask=0077",
        "LimitCORE=0",
        "SystemCallErrorNumber=EPERM",
        "LoadCredentialEncrypted=keyring:/etc/strongroom/credentials/keyring.cred",
    ],
)
def test_the_host_is_run_as_it_is_documented(line):
    assert line in lines("strongroom.service")


def test_guests_give_way_to_the_host():
    assert "CPUWeight=33" in lines("strongroom-runner.service")


def test_no_group_has_the_name_of_a_unit_whose_user_would_be_refused():
    text = (SHIPPED / "sysusers.d" / "strongroom.conf").read_text()
    groups = set(re.findall(r"^g (\S+)", text, re.MULTILINE))
    assert groups == {"strongroom-users", "strongroom-pool"}
    assert not groups & {Path(name).stem for name in UNITS}
    used = re.findall(
        r"^(?:Group|SupplementaryGroups|SocketGroup)=(\S+)", "\n".join(map("\n".join, map(lines, UNITS))), re.MULTILINE
    )
    assert set(used) == groups
