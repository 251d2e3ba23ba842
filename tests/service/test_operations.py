"""From an empty root to the first confidential run, an upgrade and the end, by the commands of docs/operations.md.

They are typed in the order of the page. What a real root has, a test has not: paths are below another directory, the
service manager is our own, and what it would encrypt is copied. systemd itself is asked about the units.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.page_commands import blocks_of
from tests.fakes.unit_manager import UnitManager

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
TIMEOUT_S = 100
TARGETS = ("basic", "sysinit", "shutdown", "sockets", "multi-user", "network")
NOT_OURS = ("STRONGROOM_", "XDG_", "PYTHON")
PATHS = re.compile(r"(?<![\w/.=-])/(?=(?:opt|etc|usr|run|var)/)")
BEFORE = """
set -euo pipefail
sudo() { "$@"; }
usermod() { :; }
systemd-creds() { cp "${@: -2:1}" "${@: -1}"; }
strongroom() {
    if [ "$1" = service ]; then command strongroom "$@" --root "$ROOT"; else command strongroom "$@"; fi
}
"""
"""The programs of a machine that change it."""


class Operator:
    """Somebody who follows the page on a machine whose root is ``root``. ``said`` is what the commands printed."""

    def __init__(self, root, folder):
        self.root, self.folder, self.said = root, folder, ""
        vendor, pool = root / "usr/lib/strongroom", root / "run/strongroom-runner/pool.sock"
        self.manager = UnitManager(root, STRONGROOM_VENDOR_DIR=str(vendor), STRONGROOM_RUNNERS__POOL_SOCKET=str(pool))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        self.environment = {
            **kept,
            "ROOT": str(root),
            "HOME": str(folder),
            "USER": "operator",
            "PATH": f"{root}/opt/strongroom/bin:{os.environ['PATH']}",
            "STRONGROOM_SOCKET": str(root / "run/strongroom/strongroom.sock"),
        }
        (folder / "examples").symlink_to(ROOT / "examples")
        (root / "run").mkdir(exist_ok=True)

    def follow(self, heading):
        """Type the commands of a section."""
        text = PAGE.read_text()
        begins = text.index(f"\n## {heading}\n")
        first, last = text.count("\n", 0, begins) + 1, text.count("\n", 0, (text + "\n## ").index("\n## ", begins + 4))
        blocks = [block for block in blocks_of(PAGE) if first <= block.line <= last]
        assert blocks, f"the page has no commands for {heading!r}"
        for block in blocks:
            for line in block.text.splitlines():
                words = shlex.split(line)
                if words[:2] == ["sudo", "systemctl"]:
                    self.manager.systemctl(*words[2:])
                elif "/opt/strongroom/bin/pip" not in line and "/usr/local/bin" not in line and "-m venv" not in line:
                    self.type(line)

    def type(self, line):
        """One line, as it stands on the page. Its output."""
        done = subprocess.run(
            ["bash", "-c", BEFORE + PATHS.sub(f"{self.root}/", line)],  # noqa: S607 - the shell that an operator has
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        logs = "".join(self.manager.log(name) for name in self.manager.logs)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}\n{logs[-3000:]}"
        self.said += done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def operator(installed_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operator")
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    (folder / "people.txt").write_text(f"{key}\n")
    operator = Operator(installed_root, folder)
    yield operator
    operator.manager.close()


def test_the_page_leads_from_an_empty_root_to_a_confidential_run_an_upgrade_and_an_empty_root(operator):
    root, manager = operator.root, operator.manager
    before = files(root)
    operator.follow("Install")
    check_by_systemd(root)
    operator.follow("Keys")
    assert list((root / "run").iterdir()) == [], "the keyring is in the clear no more"
    operator.follow("A vault")
    operator.follow("Start")
    assert set(manager.units) == {"strongroom.service", "strongroom-runner.service"}
    told = manager.managers["strongroom.service"]
    assert told.messages[0] == ["STATUS=starting"]
    assert "STATUS=ready: running 0, draining 0, plugins 6/6" in told.lines("STATUS="), manager.log(
        "strongroom.service"
    )

    operator.follow("The first confidential run")
    assert "two units" in operator.said
    assert '"greeting": "hello, world"' in operator.said
    assert "insecure-software" in operator.said
    socket = root / "run/strongroom/strongroom.sock"
    assert (socket.stat().st_mode & 0o777, socket.parent.stat().st_mode & 0o777) == (0o660, 0o750)

    run_id = re.search(r"wrun_\w+", operator.said)[0]
    operator.follow("Upgrade")
    assert "STOPPING=1" in told.lines("STOPPING=1")
    assert "completed" in operator.type(f"strongroom run get {run_id}")
    manager.systemctl("reload", "strongroom.service")
    assert manager.managers["strongroom.service"].lines("RELOADING=1")

    for name in ("strongroom.service", "strongroom-runner.service"):
        assert manager.stop(name) == 0
    operator.follow("Uninstall")
    left = {name for name in files(root) - before if not name.startswith(("run/", "var/"))}
    assert {name.split("/")[0] for name in left} == {"etc"}
    assert "etc/strongroom/credentials/keyring.cred" in left
    assert (root / "var/lib/strongroom/strongroom.db").exists()


def check_by_systemd(root):
    """systemd finds nothing wrong with what was installed, where it is there to ask."""
    if shutil.which("systemd-analyze") is None:
        return
    units = sorted((root / "usr/lib/systemd/system").iterdir())
    # What every root has, and this one has not: the targets, and the program of ExecReload.
    lent = [shutil.copy(f"/usr/lib/systemd/system/{name}.target", units[0].parent) for name in TARGETS]
    (root / "bin").mkdir()
    lent.append(shutil.copy(shutil.which("kill"), root / "bin"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *(unit.name for unit in units)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    for path in lent:
        Path(path).unlink()
    (root / "bin").rmdir()
    assert (len(units), checked.returncode, checked.stderr) == (3, 0, "")


def files(root):
    """What is below a root, without what Python keeps for itself."""
    return {
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
