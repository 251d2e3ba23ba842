"""Pinned programs: the file that was hashed is the one that is started, and what changes meanwhile is found."""

import hashlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.errors import PluginFault
from strongroom.registry import pinned_program
from strongroom.registry.child import Child
from strongroom.registry.pinned_program import PinnedProgram, is_script, program_sha256
from strongroom.registry.pins import check_pin, checked_command
from strongroom.settings.manifest import Pin, PluginEntry
from tests.fakes.memory_host import QUICK, MemoryHost
from tests.fakes.scripted_guest import until

PROBE = Path(__file__).resolve().parent.parent / "fakes" / "probe_plugin.py"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def script(tmp_path):
    """A plugin in a file of its own, in another language as far as the host is concerned."""
    path = tmp_path / "plugin.sh"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {PROBE} foreign\n")
    path.chmod(0o700)
    return path


def entry(program, *, pin=None, **changes):
    digest = pin or sha256(program)
    own = {"name": "probe", "command": (str(program),), "config": {}, "pin": Pin(command_sha256=digest)}
    return PluginEntry(**{**own, **changes})


def refusal(program, sha=None):
    with pytest.raises(PluginFault) as caught:
        PinnedProgram(program, sha or sha256(program)).close()
    return caught.value


def test_a_pinned_program_is_started_and_serves(script, tmp_path):
    with MemoryHost(tmp_path / "run", entry(script)) as host:
        assert (host.plugins.states()[0].state, host.plugins.states()[0].last_error) == ("ready", "")


def test_another_program_is_not_started_and_the_reason_names_both_hashes(script, tmp_path):
    touched = tmp_path / "touched"
    pinned = entry(script)
    script.write_text(f"#!/bin/sh\ntouch {touched}\n")
    with MemoryHost(tmp_path / "run", pinned) as host:
        state = host.plugins.states()[0]
        assert (state.state, state.pid) == ("failed", 0)
        assert f"expected {pinned.pin.command_sha256}, found {sha256(script)}" in state.last_error
    assert not touched.exists()


def test_a_program_that_is_changed_while_it_runs_is_not_started_again_and_comes_back_once_it_is_repaired(
    script, tmp_path
):
    good = script.read_text()
    times = replace(QUICK, given_up_s=0.2, crashes_max=100)
    with MemoryHost(tmp_path / "run", entry(script), supervision=times) as host:
        first = host.plugins.states()[0]
        assert first.state == "ready"
        script.write_text(good + "# changed\n")
        os.kill(first.pid, 9)
        until(lambda: host.plugins.states()[0].state == "failed")
        failed = host.plugins.states()[0]
        assert "it is not what it was pinned to be" in failed.last_error
        assert failed.restarts <= 3, "it was given up at once, not after a row of crashes"
        script.write_text(good)
        until(lambda: host.plugins.states()[0].state == "ready")


def started(pinned, tmp_path, words=("x",)):
    command = (str(pinned._program), *words)
    return Child(command, {"PATH": "/usr/bin:/bin"}, tmp_path, pinned.descriptor)


def output(child):
    with os.fdopen(child.take_stdout(), "rb") as stdout:
        text = stdout.read().decode()
    child.kill()
    return text


def test_what_is_put_in_its_place_after_the_check_is_not_what_starts(tmp_path):
    program = Path(shutil.copy("/bin/echo", tmp_path / "program"))
    pinned = PinnedProgram(program, sha256(program))
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho evil\n")
    other.chmod(0o700)
    other.rename(program)
    child = started(pinned, tmp_path, ("good",))
    assert output(child) == "good\n"
    with pytest.raises(PluginFault, match="another file is in its place") as caught:
        pinned.confirm()
    assert caught.value.code == "SR-PIN-022"
    pinned.close()


def test_a_script_is_read_through_the_descriptor_too(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho good $1\n")
    program.chmod(0o700)
    pinned = PinnedProgram(program, sha256(program))
    program.unlink()
    program.write_text("#!/bin/sh\necho evil\n")
    program.chmod(0o700)
    assert output(started(pinned, tmp_path)) == "good x\n"
    pinned.close()


def test_a_program_that_is_written_to_after_the_check_is_found_before_anything_is_told_to_it(tmp_path):
    program = Path(shutil.copy("/bin/echo", tmp_path / "program"))
    pinned = PinnedProgram(program, sha256(program))
    with program.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(PluginFault, match="it has another content"):
        pinned.confirm()
    data = program.read_bytes()[:-1]
    program.write_bytes(data)
    with pytest.raises(PluginFault, match="it was written to"):
        pinned.confirm()
    pinned.close()


def test_one_that_did_not_change_is_confirmed(tmp_path):
    program = Path(shutil.copy("/bin/echo", tmp_path / "program"))
    pinned = PinnedProgram(program, program_sha256(program))
    pinned.confirm()
    pinned.close()
    pinned.close()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_program_that_others_can_write_into_cannot_be_pinned(script, mode):
    script.chmod(mode)
    refused = refusal(script)
    assert (refused.code, refused.fix) == ("SR-PIN-021", f"chmod go-w {script}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_program_of_another_user_cannot_be_pinned(script):
    os.chown(script, 12345, 12345)
    refused = refusal(script)
    assert (refused.code, refused.fix) == ("SR-PIN-021", f"chown root {script}")


def test_what_is_no_file_or_too_large_cannot_be_pinned(script, tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o700)
    assert refusal(pipe, "0" * 64).code == "SR-PIN-021"
    assert refusal(tmp_path / "nothing", "0" * 64).code == "SR-PIN-021"
    assert refusal(tmp_path, "0" * 64).code == "SR-PIN-021"
    monkeypatch.setattr(pinned_program, "PROGRAM_BYTES_MAX", 10)
    refused = refusal(script)
    assert (refused.code, "the limit is 10" in str(refused)) == ("SR-PIN-021", True)


def test_a_hash_of_the_interpreter_is_no_pin_of_a_plugin():
    with pytest.raises(PluginFault) as caught, checked_command(("python", "a.py"), Pin(command_sha256="0" * 64)):
        pass
    assert caught.value.code == "SR-PIN-012"


def test_no_descriptor_stays_open_whether_it_holds_or_not(script):
    before = sorted(Path("/proc/self/fd").iterdir())
    assert check_pin(entry(script)) == "the program"
    with pytest.raises(PluginFault):
        check_pin(entry(script, pin="0" * 64))
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_script_is_told_from_a_program(script, tmp_path):
    assert (is_script(script), is_script(Path("/bin/echo")), is_script(tmp_path / "nothing")) == (True, False, False)
