"""Streams that whoever starts the program closed, filled up, or stopped to read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import run_pb2

BINARY = str(Path(sys.executable).with_name("strongroom"))


def in_shell(command: str, tmp_path: Path, shell: str = "bash") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [shell, "-c", f"set -o pipefail; {command}"],
        env={"PATH": f"{Path(BINARY).parent}:/usr/bin:/bin", "STRONGROOM_STATE_DIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("stdout", "reason"),
    [(">&-", "stdout: Bad file descriptor"), (">/dev/full", "stdout: No space left on device")],
    ids=["closed", "full"],
)
def test_a_stdout_that_takes_nothing_is_named_and_ends_with_74(host, tmp_path, stdout, reason):
    ended = in_shell(f"strongroom status --json {stdout}", tmp_path)
    assert ended.returncode == 74
    assert reason in ended.stderr
    assert "SR-CLI-060" in ended.stderr
    assert "give stdout a terminal, a pipe or a file with room" in ended.stderr
    assert "Exception" not in ended.stderr


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_the_exit_code_says_what_stderr_cannot(tmp_path, stderr):
    assert in_shell(f"strongroom status {stderr}", tmp_path).returncode == 69


def test_a_command_without_any_stream_does_not_mistake_a_file_for_one(host, tmp_path):
    assert in_shell("strongroom status <&- >&- 2>&-", tmp_path).returncode == 74


def test_a_secret_is_not_read_from_a_closed_stdin(host, tmp_path):
    ended = in_shell("strongroom secret set KEY <&-", tmp_path)
    assert (ended.returncode, "SR-CLI-032" in ended.stderr) == (65, True), ended.stderr


def test_a_reader_that_takes_the_first_line_ends_a_long_list_quietly(host, tmp_path):
    # More than a pipe holds, so that the end of its reader is noticed while there is something to write.
    for number in range(2_000):
        host.runs[f"wrun_{number}"] = run_pb2.Run(run_id=f"wrun_{number}", workflow_name="x" * 60)
    ended = in_shell("strongroom run list --limit 2000 | head -1", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("RUN")


def test_a_terminal_without_unicode_is_no_error(host, tmp_path):
    environment = {"PATH": os.environ["PATH"], "STRONGROOM_STATE_DIR": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    for arguments in (["status"], ["status", "--json"]):
        ended = subprocess.run([BINARY, *arguments], capture_output=True, env=environment, check=False)
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert ended.stdout.isascii()


@pytest.mark.parametrize("arguments", [["status", "--json"], ["--help"], ["run", "--help"]], ids=" ".join)
def test_a_reader_that_has_enough_is_no_error(host, tmp_path, arguments):
    environment = {"PATH": os.environ["PATH"], "STRONGROOM_STATE_DIR": str(tmp_path)}
    process = subprocess.Popen([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()
    message = process.stderr.read()
    assert process.wait(60) == 0
    assert message == b""


def test_a_note_that_nobody_reads_does_not_change_the_exit_code(host, known, tmp_path):
    environment = {"PATH": os.environ["PATH"], "STRONGROOM_STATE_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [BINARY, "secret", "set", "KEY"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    process.stderr.close()
    # The line end is what the first note is about.
    process.stdin.write(b"value\n")
    process.stdin.close()
    assert process.stdout.read() == b"main/KEY\n"
    assert process.wait(60) == 0
    assert host.secrets == {("main", "KEY"): b"value\n"}
