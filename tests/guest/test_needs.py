"""What a sealed process keeps is what it named, and as narrow as it was named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.guest import own_user, seccomp
from strongroom.guest.needs import NOTHING, Needs

INSIDE = Path(__file__).with_name("inside_needs.py")
ALLOWED = {"the request on its descriptor", "remove an entry"}


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    folders = [str(tmp_path_factory.mktemp(name)) for name in ("inside", "beside")]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    command = [sys.executable, str(INSIDE), *folders]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    if found["missing"]:
        pytest.skip(f"this kernel lacks {', '.join(found['missing'])}")
    return found


def test_what_was_named_works_and_nothing_beside_it(inside):
    assert {name for name, said in inside["outcome"].items() if said == "done"} == ALLOWED
    assert {said for name, said in inside["outcome"].items() if name not in ALLOWED} <= {"EPERM", "EACCES"}


def test_the_report_names_what_was_left_open(inside):
    assert "seccomp+ioctl+rmdir" in inside["protections"]
    assert next(name for name in inside["protections"] if name.startswith("landlock-")).endswith("+rmdir")


def test_nothing_is_needed_unless_it_is_named():
    assert NOTHING.names == ()
    assert seccomp.program("x86_64", 1) == seccomp.program("x86_64", 1, NOTHING)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_with_needs_has_jumps_that_stay_inside(machine):
    code = seccomp.program(machine, 1, Needs(ioctls=frozenset({(3, 7), (4, 9)}), removes_in=5))
    count = len(code) // 8
    assert count * 8 == len(code) > len(seccomp.program(machine, 1))
    for at in range(count):
        operation, if_true, if_false = code[8 * at] | code[8 * at + 1] << 8, code[8 * at + 2], code[8 * at + 3]
        if operation & 7 == 5:
            assert at + 1 + max(if_true, if_false) < count


def become(user_map, *, user):
    """What ``become_nobody`` says for a process of ``user`` whose kernel shows ``user_map``."""
    script = (
        "import os, sys, pathlib\n"
        "from strongroom.guest import own_user\n"
        f"os.geteuid = lambda: {user}\n"
        "own_user._USERS = pathlib.Path(sys.argv[1])\n"
        "try:\n    own_user.become_nobody()\nexcept OSError as error:\n    print(error)\n"
    )
    return subprocess.run([sys.executable, "-c", script, user_map], capture_output=True, text=True, check=True).stdout


def test_only_root_can_give_a_process_another_user():
    assert become("/proc/self/uid_map", user=1000) == ("user 1000 started it, and only root can give it another user\n")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("0 0 4294967295\n", "user 65534 started it, and only root can give it another user\n"),
        ("0 100000 65536\n", "user 65534 started it, and only root can give it another user\n"),
        ("65534 1000 1\n", "it is user 65534 in its namespace, and outside of it whoever started it\n"),
    ],
    ids=["no namespace", "of a container", "of one user"],
)
def test_nobody_of_a_namespace_is_somebody_outside_of_it(tmp_path, table, said):
    users = tmp_path / "uid_map"
    users.write_text(table)
    assert become(str(users), user=own_user.NOBODY) == said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run this as root")
def test_root_becomes_nobody_in_every_place():
    script = (
        "import os\n"
        "from strongroom.guest import own_user\n"
        "own_user.become_nobody()\n"
        "print({*os.getresuid(), *os.getresgid()}, os.getgroups())\n"
        "try:\n    os.setuid(0)\nexcept PermissionError:\n    print('no way back')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "{65534} []\nno way back\n"
