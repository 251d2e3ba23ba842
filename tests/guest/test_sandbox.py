"""What a process cannot do once it is sandboxed, tried from the inside and seen from the outside."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.guest import sandbox, seccomp
from strongroom.guest.anonymous_code import AnonymousCode
from strongroom.guest.runner_process import RunnerProcess
from tests.guests.build import guest

INSIDE = Path(__file__).with_name("inside_sandbox.py")
FORBIDDEN = {"EPERM", "EACCES"}


def lacking(report):
    """Skip with the kernel's reason where it offers less."""
    if report:
        pytest.skip(f"this kernel lacks {', '.join(report)}")


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    code = AnonymousCode(tmp_path_factory.mktemp("code") / "open")
    neighbour = tmp_path_factory.mktemp("other") / "file"
    neighbour.touch()
    done = subprocess.run(
        [sys.executable, str(INSIDE), str(guest("config")), str(code.directory), str(neighbour)],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
        pass_fds=(code.directory,),
    )
    code.close()
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_every_protection_is_in_force_or_missing_with_a_reason(inside):
    names = {name.split("-")[0] if name.startswith("landlock") else name for name in inside["protections"]}
    missing = {text.split(":")[0] for text in inside["missing"]}
    assert names | missing == {
        "no-new-privs", "no-dump", "no-core", "few-descriptors", "dies-with-parent", "landlock", "seccomp",
    }  # fmt: skip
    assert all(": " in text for text in inside["missing"])


def test_nothing_outside_can_be_reached(inside):
    lacking(inside["missing"])
    assert {name: said for name, said in inside["outcome"].items() if said not in FORBIDDEN} == {}
    assert len(inside["outcome"]) > 20


def test_a_guest_runs_there_and_native_code_loads_from_memory(inside):
    assert inside["result"] == "inside"
    assert inside["native_bytes"] > 1_000


def test_native_code_loads_from_a_file_without_a_name(inside):
    assert inside["file_bytes"] == inside["native_bytes"]


def test_a_real_runner_looks_sandboxed_from_outside():
    runner = RunnerProcess()
    try:
        runner.wait_ready()
        lacking(runner.ready.missing)
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{runner.pid}/status").read_text().splitlines())
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["CoreDumping"] == "0"
        limits = Path(f"/proc/{runner.pid}/limits").read_text()
        assert [line.split()[-3:-1] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
    finally:
        runner.bury()


def test_a_runner_gets_no_secret_of_its_host_in_environment_or_arguments(monkeypatch):
    monkeypatch.setenv("STRONGROOM_TEST_SECRET", "s3cret")
    runner = RunnerProcess()
    try:
        runner.wait_ready()
        if os.geteuid() == 0:
            assert b"s3cret" not in Path(f"/proc/{runner.pid}/environ").read_bytes()
        assert b"s3cret" not in Path(f"/proc/{runner.pid}/cmdline").read_bytes()
        if os.geteuid() == 0:
            links = sorted(str(link.readlink()) for link in Path(f"/proc/{runner.pid}/fd").iterdir())
            assert [link for link in links if link.startswith("/") and link != "/dev/null"] == [
                "/memfd:strongroom-runner-stderr (deleted)"
            ]
    finally:
        runner.bury()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_has_whole_instructions_and_jumps_that_stay_inside(machine):
    code = seccomp.program(machine, 1234)
    assert len(code) % 8 == 0
    count = len(code) // 8
    assert count < 4096
    for at in range(count):
        operation, if_true, if_false = code[8 * at] | code[8 * at + 1] << 8, code[8 * at + 2], code[8 * at + 3]
        if operation & 7 == 5:
            assert at + 1 + max(if_true, if_false) < count


def test_an_unknown_processor_is_reported_and_not_guessed(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="no system call table for riscv64"):
        seccomp.install()


def test_what_a_kernel_lacks_is_reported_with_its_reason():
    script = (
        "from strongroom.guest import landlock, sandbox\n"
        "def lacks(*_directories): raise OSError(38, 'Function not implemented')\n"
        "landlock.restrict = lacks\n"
        "report = sandbox.apply()\n"
        "print(report.missing, 'seccomp' in report.protections)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True, text=True)
    assert "landlock: [Errno 38] Function not implemented" in done.stdout


def test_the_report_is_plain_data():
    report = sandbox.SandboxReport(("a",), ("b: c",))
    assert (report.protections, report.missing) == (("a",), ("b: c",))
