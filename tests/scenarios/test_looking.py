"""Looking at a whole host: the doctor, its bundle, and ``top`` in a terminal and without one."""

import io
import json
import os
import pty
import subprocess
import sys
import tarfile

from tests.fakes.program import environment
from tests.guests.build import guest

MARKER = "looked-for-4711-marker"


def test_a_bundle_holds_nothing_that_a_run_or_a_secret_holds(shared, tmp_path):
    shared("secret", "set", "Looked", stdin=MARKER.encode())
    with shared.channel() as api:
        api.register(guest("echo"), "echo-looked")
        api.execute("echo-looked", json.dumps(MARKER).encode())
    file = tmp_path / "bundle.tar.gz"
    told = shared("doctor", "--bundle", str(file), "--json")
    assert told.code in {0, 1}, told.err
    assert told.json["schema"] == "strongroom.doctor/v1"
    assert {each["check"] for each in told.json["findings"]} >= {"program", "landlock", "state", "host", "backup"}
    assert "the bundle has status.json" in told.err
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        whole = b"".join(archive.extractfile(name).read() for name in archive.getnames())
    assert MARKER.encode() not in whole
    assert (shared.state / "keyring").read_bytes().strip() not in whole
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert shared("doctor", "--bundle", str(file)).code == 73


def test_a_doctor_without_a_host_says_so_and_looks_at_the_rest(tmp_path):
    tmp_path.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "strongroom.cli", "doctor", "--mode", "dev", "--json"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert [each["level"] for each in findings if each["check"] == "host"] == ["problem"]


def test_top_looks_once_without_a_terminal_and_prints_a_line_for_each_look_in_json(shared):
    once = shared("top")
    assert once.code == 0
    assert "PLUGIN" in once.out
    assert "\x1b" not in once.out
    lines = shared("top", "--json", "--count", "2", "--interval", "0.2").out.splitlines()
    first, second = map(json.loads, lines)
    assert first["schema"] == "strongroom.top/v1"
    assert first["runs_ended_per_s"] is None
    assert second["runs_ended_per_s"] >= 0


def test_top_gives_the_terminal_back_as_it_was(shared):
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "strongroom.cli", "top", "--count", "1"],
        env=environment(shared.state, TERM="xterm"),
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:
        pass  # how a terminal says that nobody writes any more
    assert done.wait(60) == 0
    os.close(ours)
    assert said.startswith(b"\x1b[?1049h")
    assert said.endswith(b"\x1b[?1049l")
    assert b"PLUGIN" in said
