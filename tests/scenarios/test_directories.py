"""Where a daemon keeps things: in its own directory whatever that is called, and nothing after it is gone."""

from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import plugin_pb2, run_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import shipped_with

SAMPLES = Path(__file__).resolve().parents[2] / "daemon" / "strongroom" / "app" / "samples"
ODD_NAMES = ["x sp%41?ü#", "a?b=c&d", "%2e%2e"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=["several", "query", "dots"])
def test_a_state_directory_of_any_name_holds_everything_and_is_found_again(state, name):
    odd = state / name
    odd.mkdir(mode=0o700)
    options = shipped_with(odd, "vault", "confidential-workflows")
    daemon = LiveDaemon(odd, options).start()
    try:
        with daemon.channel() as api:
            # The backend and the vault are processes: both are reached over sockets in that directory.
            assert {api.plugin(plugin).state for plugin in ("vault", "confidential-workflows")} == {"ready"}
            api.register(SAMPLES / "greet.wasm", "greet", b'{"confidential": true}')
            listed = api.plugins.List(plugin_pb2.PluginServiceListRequest(), timeout=10).plugins
            processes = sum(plugin.kind == "process" and plugin.state == "ready" for plugin in listed)
        assert processes >= 2
        assert {"strongroom.db", "strongroom.sock", "run", "keys", "cache"} <= {path.name for path in odd.iterdir()}
        assert len(list((odd / "run" / "plugins").iterdir())) == processes
        assert [path.name for path in state.iterdir()] == [name]
    finally:
        assert daemon.stop() == 0
    again = LiveDaemon(odd, options).start()
    try:
        with again.channel() as api:
            assert api.execute("greet", b'{"who": "x"}').run.status == run_pb2.RUN_STATUS_COMPLETED
    finally:
        again.stop()


def test_the_sockets_of_a_killed_daemon_are_gone_after_the_next_start(daemon, state):
    sockets = state / "run" / "plugins"
    daemon.options = shipped_with(state, "http-actions")
    daemon.start()
    before = {path.name for path in sockets.iterdir()}
    daemon.kill()
    assert {path.name for path in sockets.iterdir()} == before != set()
    daemon.start()
    after = {path.name for path in sockets.iterdir()}
    assert len(after) == len(before)
    assert not after & before
    daemon.stop()
    assert list(sockets.iterdir()) == []


def test_a_client_finds_a_host_whose_socket_has_a_name_that_is_no_text(small, state):
    small.options += ("--socket", str(state / "s\udcff%41?"))
    small.start()
    shown = small("status", "--json", "--socket", str(state / "s\udcff%41?"))
    assert (shown.code, shown.json["state"]) == (0, "ready")
    small.stop()
