"""The built wheels hold everything, are the same every time, and run the demo where the source tree is not."""

import ast
import email
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tools.build_wheels import PLUGINS, PROJECTS, ROOT, SUMS, build

UV = Path(sys.prefix) / "bin" / "uv"
TIMEOUT_S = 110


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def names(wheels):
    with zipfile.ZipFile(wheels[0]) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """A clean environment with the locked libraries and our wheels; the folder of its programs."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=TIMEOUT_S)
    install = [UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    locked = ["--require-hashes", "-r", ROOT / "requirements" / "runtime.txt"]
    for what in (locked, ["--no-deps", *wheels]):
        subprocess.run([*install, *what], check=True, timeout=TIMEOUT_S)
    return venv / "bin"


def run(installed, folder, *arguments, **variables):
    """One command of the installed program, from ``folder``, without anything of this environment's own Python."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("STRONGROOM_", "PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [installed / "strongroom", *arguments],
        cwd=folder,
        env={**own, **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_there_is_one_wheel_for_each_project(wheels):
    assert len(wheels) == len(PROJECTS) == 1 + len([p for p in (ROOT / "plugins").iterdir() if p.name[0] != "_"])
    named = ["strongroom", *(f"strongroom_{name.replace('-', '_')}" for name in sorted(PLUGINS))]
    assert [wheel.name.split("-")[0] for wheel in wheels] == named


@pytest.mark.parametrize(
    "part",
    [
        "py.typed",
        "settings/plugins.yaml",
        "cli/plugin_template/both/pyproject.toml.tmpl",
        "cli/plugin_template/action/src/__module__/plugin.py.tmpl",
        "cli/plugin_template/trigger/tests/test_contract.py.tmpl",
        "app/samples/echo.wasm",
        "app/samples/greet.wasm",
        "app/samples/hello.wasm",
        "app/samples/production.toml",
        "app/samples/production.toml.sig",
        "app/samples/production.pub",
        "migrations/env.py",
        "migrations/versions/0001_initial.py",
        "migrations/versions/0002_workflow_attributes.py",
        "pb/strongroom/v1/run_pb2.py",
        "pb/strongroom/v1/run_pb2.pyi",
        "pb/strongroom/v1/run_pb2_grpc.py",
        "guest/runner/__main__.py",
        "service/strongroom.service",
        "service/strongroom-runner.socket",
        "service/sysusers.d/strongroom.conf",
        "service/drop-ins/strongroom-local.conf",
        "service/etc/plugins.yaml",
        "service/lib/strongroom.yaml",
    ],
)
def test_the_wheel_holds_what_is_not_a_plain_module(names, part):
    assert f"strongroom/{part}" in names


def test_the_wheel_holds_every_module_of_the_tree_and_nothing_that_was_made_by_running_it(names):
    tree = ROOT / "daemon" / "strongroom"
    modules = {f"strongroom/{path.relative_to(tree)}" for path in tree.rglob("*.py")}
    assert modules - names == set()
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert not [name for name in names if not name.startswith(("strongroom/", "strongroom-"))]


@pytest.fixture
def elsewhere(tmp_path):
    """The sources in another directory, written in another order at another time, readable for nobody else."""
    root = tmp_path / "another place"
    root.mkdir()
    for name in ("daemon", "examples", "migrations", "plugins", "requirements"):
        shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, (2_000_000_000 + number, 2_000_000_000 + number), follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    return root


def test_the_same_sources_give_the_same_bytes_wherever_and_whenever_they_are_built(
    wheels, elsewhere, tmp_path, monkeypatch
):
    for name, value in {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        again = build(tmp_path / "built", root=elsewhere)
    finally:
        os.umask(before)
    assert [w.name for w in again] == [w.name for w in wheels]
    assert [w.name for w, v in zip(again, wheels, strict=True) if w.read_bytes() != v.read_bytes()] == []
    sums = (again[0].parent / SUMS).read_text()
    assert sums == (wheels[0].parent / SUMS).read_text()
    done = subprocess.run(
        ["/usr/bin/sha256sum", "--check", "--strict", SUMS], cwd=again[0].parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sums.count("\n") == len(again) + 1


def test_the_versions_of_all_projects_are_one_and_plugins_ask_for_it(wheels):
    projects = [tomllib.loads((ROOT / p / "pyproject.toml").read_text())["project"] for p in PROJECTS]
    (version,) = {project["version"] for project in projects}
    for wheel in wheels[1:]:
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
            described = email.message_from_bytes(archive.read(metadata))
        assert f"strongroom=={version}" in described.get_all("Requires-Dist")


def test_the_locked_file_holds_every_library_that_the_wheel_asks_for(installed):
    done = subprocess.run(
        [UV, "pip", "check", "--python", installed / "python"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_demo_runs_from_installed_wheels(installed, tmp_path):
    done = run(installed, tmp_path, "demo", DEMO_JSON="1")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout[done.stdout.index("{") :])
    assert shown["schema"] == "strongroom.demo/v1"
    assert shown["local"] == {"result": "hello, strongroom", "backend": "local"}
    assert shown["confidential"]["backend"] == "insecure-software"
    assert shown["confidential"]["result"]["greeting"] == "hello, strongroom"
    assert len(bytes.fromhex(shown["confidential"]["binary_sha256"])) == 32
    assert (shown["receipt"]["holds"], shown["receipt"]["result_matches"]) == (True, True)


STATES = """
import sys
from pathlib import Path
from strongroom.settings.manifest import load_manifest
from strongroom.testing.plugin_host import MemoryHost
entries = [e for e in load_manifest(Path(sys.argv[1])) if e.name in {"kvstore", "http-actions"}]
with MemoryHost(*entries) as host:
    print({s.name: (s.state.value, s.last_error) for s in host.plugins.states()})
"""


def test_installed_plugins_are_pinned_checked_and_run_under_their_pins(installed, tmp_path):
    manifest = tmp_path / "plugins.yaml"
    manifest.write_text((ROOT / "plugins.yaml").read_text())
    done = run(installed, tmp_path, "plugin", "pin", "--all", "--file", str(manifest), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    pinned = json.loads(done.stdout)["plugins"]
    assert {each["now"]["distribution"] for each in pinned} == {f"strongroom-{name}" for name in PLUGINS}
    assert run(installed, tmp_path, "plugin", "check", str(manifest)).returncode == 0
    program = [installed / "python", "-c", STATES, manifest]
    states = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout
    assert ast.literal_eval(states) == {"kvstore": ("ready", ""), "http-actions": ("ready", "")}


def test_help_and_version_come_from_the_installed_package(installed, tmp_path):
    assert "strongroom dev --state-dir" in run(installed, tmp_path, "--help").stdout
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version in run(installed, tmp_path, "version").stdout
    where = [installed / "python", "-c", "import strongroom; print(strongroom.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(installed.parent))


@pytest.mark.parametrize("name", ["uv", "runtime", "dev"])
def test_locked_files_name_hashes_and_no_index(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    pinned = [block for block in text.replace("\\\n", " ").splitlines() if block.strip() and not block.startswith("#")]
    assert pinned
    assert not [line.split()[0] for line in pinned if "==" not in line or "--hash=sha256:" not in line]


def test_the_runtime_brings_its_build_backend():
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    for library in ("hatchling==", "editables=="):
        assert f"\n{library}" in text, "an editable installation without isolation builds with it"
