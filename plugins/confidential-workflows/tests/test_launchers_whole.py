"""Whole executions by each launcher: plugin, runner, guest and a vault that releases by the production verifier."""

from types import SimpleNamespace

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin.messages import backend_pb2
from tests.fakes.enclave_host import EnclaveHost, request_for, triggered
from tests.fakes.far_side import FarSide
from tests.fakes.pool_program import PoolInThread
from tests.fakes.runner_modes import needs_bubblewrap
from tests.guests.build import wasm


@pytest.fixture
def far(vault, tmp_path):
    """An address at which runners of this vault are started."""
    config = vault.config()
    files = SimpleNamespace(config_file=config["enclave_config_file"], evidence=config["evidence"])
    side = FarSide(files, tmp_path, f"unix:{tmp_path}/runners")
    side.said("(listening at)")
    yield side.address
    side.stop()


@pytest.fixture
def pool(tmp_path):
    """Where ``strongroom-runner`` listens."""
    running = PoolInThread(tmp_path / "pool.sock")
    yield str(running.path)
    running.close()


@pytest.fixture(params=["process", "process of strongroom-runner", "bubblewrap", "external"])
def launched(request, vault):
    """A host whose runners are started by one of the launchers."""
    options = {}
    if request.param == "bubblewrap":
        needs_bubblewrap()
    if request.param == "external":
        options = {
            "external_address": request.getfixturevalue("far"),
            "evidence": {"kind": "insecure-software"},
            "enclave_config_file": "",
        }
    name, of, _ = request.param.partition(" of ")
    if of:
        options = {"pool_socket": request.getfixturevalue("pool")}
    host = EnclaveHost(vault=vault, launcher=name, **options)
    yield request.param, host
    host.close()


def test_a_run_gets_its_secret_and_leaves_a_receipt(launched, vault):
    _, host = launched
    vault.create("Foo", b"s3cret-of-one-run")
    guest = host.artifacts.add(wasm("secrets"))
    assert host.run(request_for(guest, triggered(), secrets=["Foo"])).value.string_value == "s3cret-of-one-run"
    assert host.receipt()


def test_the_report_of_the_backend_names_the_launcher_first(launched):
    name, host = launched
    report = host.call("Backend", empty_pb2.Empty())
    assert isinstance(report, backend_pb2.BackendReport)
    assert report.protections[0] == f"launcher-{name.split()[0]}"
    assert ("started-by-strongroom-runner" in report.protections) == (name == "process of strongroom-runner")
    assert ("namespaces" in report.protections) == (name == "bubblewrap")
    assert (report.label, report.insecure) == ("insecure-software", True)
