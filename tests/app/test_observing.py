"""What a host shows over HTTP is there before it has any parts, and goes last."""

import shutil
import stat

import pytest

from strongroom.app.observing import Observer
from strongroom.errors import Misconfigured
from strongroom.settings.model import Settings
from strongroom.settings.observe import ObserveSettings
from strongroom.telemetry.redaction import Redaction
from tests.fakes.probe_client import ProbeClient
from tests.scenarios.conftest import short_directory


@pytest.fixture
def directory():
    made = short_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def observer(directory, mode="serve", **observe):
    settings = Settings(socket=directory / "run" / "strongroom.sock", observe=ObserveSettings(**observe))
    return Observer(settings, mode, lambda: "starting", Redaction())


def test_a_host_that_only_starts_says_so_and_lives(directory):
    made = observer(directory)
    made.start()
    try:
        path = directory / "run" / "observe.sock"
        client = ProbeClient(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert client.get("/livez") == (200, b"ok\n")
        assert client.ready() == (425, {"state": "starting", "checks": []})
        numbers = client.metrics()
        assert numbers['strongroom_state{state="starting"}'] == 1
        assert numbers['strongroom_state{state="ready"}'] == 0
        assert "strongroom_runs_started_total" not in numbers, "there is nobody yet who counts"
    finally:
        made.stop()
    assert not path.exists()


def test_in_dev_nothing_is_served_until_it_is_wanted(directory):
    made = observer(directory, "dev")
    made.start()
    made.stop()
    assert not (directory / "run").exists()


def test_an_address_that_is_taken_stops_the_start_and_leaves_nothing_behind(directory):
    made = observer(directory, listen="127.0.0.1:0")
    made.start()
    port = made._servers[1].port
    other = observer(directory / "other", listen=f"127.0.0.1:{port}")
    with pytest.raises(Misconfigured) as refused:
        other.start()
    assert (refused.value.code, refused.value.details["where"]) == ("SR-OBS-001", "observe.listen")
    other.stop()
    made.stop()
    assert list(directory.rglob("*.sock")) == []
