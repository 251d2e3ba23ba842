"""``.ci/run`` goes on only with what its tests need: what is missing is installed, or ends it before any test."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "run"
TOOLS = ("bash", "env", "dirname", "id", "ln", "python3")
NEEDED = {"swtpm": "swtpm", "bwrap": "bubblewrap", "strace": "strace", "systemd-analyze": "systemd"}


@pytest.fixture
def machine(tmp_path):
    """A directory with a copy of the script, and a PATH of its own; ``make`` writes down that it was called."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci" / "run")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name))
    program(tmp_path, "git", "")
    program(tmp_path, "sudo", 'shift; exec "$@"')
    program(tmp_path, "make", f'echo "$@" >>{tmp_path}/made')
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(shutil.which("python3"))
    (tmp_path / ".venv" / "bin" / "python").resolve(strict=True)
    return tmp_path


def program(machine, name, body):
    path = machine / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    path.chmod(0o755)


def run(machine):
    return subprocess.run(
        [machine / ".ci" / "run"],
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def made(machine):
    path = machine / "made"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("missing", NEEDED)
@pytest.mark.parametrize("offers", ["exit 100", "exit 0"], ids=["no mirror answers", "a package without the program"])
def test_nothing_is_tested_where_a_program_is_missing_and_cannot_be_installed(machine, missing, offers):
    for name in NEEDED.keys() - {missing}:
        program(machine, name, "")
    program(machine, "apt-get", offers)
    ended = run(machine)
    assert ended.returncode == 1
    assert f"apt-get install -y {NEEDED[missing]}" in ended.stderr
    assert made(machine) == []


def test_what_is_missing_is_installed_and_then_everything_is_tested(machine):
    body = f"for name in {' '.join(NEEDED)}; do ln -sf {machine}/bin/git {machine}/bin/$name; done"
    body += f'; echo "$@" >>{machine}/asked'
    program(machine, "apt-get", body)
    assert run(machine).returncode == 0
    assert any("swtpm" in line for line in (machine / "asked").read_text().splitlines())
    assert [line.split()[-1] for line in made(machine)] == ["test", "check"]


def test_a_machine_that_has_everything_asks_no_mirror(machine):
    for name in NEEDED:
        program(machine, name, "")
    program(machine, "apt-get", "exit 100")
    ended = run(machine)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[-1] for line in made(machine)] == ["test", "check"]
