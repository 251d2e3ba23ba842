"""A new plugin works as it is written: installed, tested, loaded by a host, and clean in the eyes of the linter."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from google.protobuf import any_pb2, wrappers_pb2

from strongroom.pb.strongroom.v1 import capability_pb2, plugin_pb2
from tests.fakes.live_daemon import LiveDaemon, strongroom

DEADLINE_S = 100
RULES = "A,B,C4,E,F,I,N,PT,PTH,RET,RUF,SIM,UP,W"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment of its own that also sees what is installed in this one."""
    venv = tmp_path_factory.mktemp("authors") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=DEADLINE_S)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return venv / "bin" / "python"


def run(*command, cwd):
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PYTEST"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=own,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "options"),
    [("price-feed", ()), ("tick-tock", ("--kind", "trigger", "--process"))],
    ids=["action in process", "trigger as a process"],
)
def test_a_new_plugin_is_installed_tested_and_loaded(python, state, tmp_path, name, options):
    made = strongroom(tmp_path, "plugin", "new", name, *options, "--json")
    assert made.code == 0, made.err
    directory = Path(made.json["directory"])
    assert directory == tmp_path / name
    uv = [Path(sys.prefix) / "bin" / "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    run(*uv, "--no-build-isolation", "--python", python, "-e", directory, cwd=tmp_path)
    assert " passed" in run(python, "-m", "pytest", "-q", cwd=directory)
    for words in (("check", "--select", RULES), ("format", "--check")):
        run(sys.executable, "-m", "ruff", *words, "--isolated", "--line-length", "120", ".", cwd=directory)
    program = (str(python), "-m", "strongroom.cli")
    daemon = LiveDaemon(state, ("--plugins-file", str(directory / "plugins.yaml")), program=program).start()
    try:
        with daemon.channel() as api:
            (plugin,) = api.plugins.List(plugin_pb2.PluginServiceListRequest(), timeout=30).plugins
            assert (plugin.state, list(plugin.capabilities)) == ("ready", [f"{name}@1.0.0"]), plugin.last_error
            if name == "price-feed":
                assert greeting(api) == "hello, Ada"
    finally:
        daemon.stop()


def greeting(api):
    message = any_pb2.Any()
    message.Pack(wrappers_pb2.StringValue(value="Ada"))
    request = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id="price-feed@1.0.0", method="Greet", message=message
    )
    answer = api.capabilities.Execute(request, timeout=30)
    return json.loads(answer.json)["value"]
