"""A plugin that does not come up with its new entry: which one serves on, and which reasons are told."""

import pytest

from strongroom.errors import PluginAway
from strongroom.plugin import hookimpl
from strongroom.registry.process_plugin import ProcessPlugin
from strongroom.settings.manifest import PluginEntry
from tests.fakes import numbered_plugin
from tests.fakes.memory_host import MemoryHost
from tests.fakes.numbered_plugin import id_of
from tests.registry.test_replacing import DRAIN_S, Says, said, says, take


@hookimpl
def broken_start(self: Says, host: object) -> None:
    raise RuntimeError(f"no disk for {self.word}")


def entry_of(number, **config):
    known = numbered_plugin.entry(number, kind="process", **config)
    return PluginEntry(name=known["name"], command=tuple(known["command"]), config=known["config"])


def test_a_process_that_refuses_a_value_serves_on_as_it_was_and_is_not_said_to_be_tried_again(tmp_path):
    with MemoryHost(tmp_path, entry_of(1)) as host:
        (done,) = take(host, entry_of(1, delay_ms="soon"))
        assert done.state.state == "ready"
        assert "plugin number-1, config.delay_ms: it must be int, it is str" in done.refused
        assert "tried again" not in done.refused
        assert host.registry.get(id_of(1)).available


def test_a_process_that_was_refused_is_ended_as_the_one_before_was(tmp_path, monkeypatch):
    ended, stop = [], ProcessPlugin.stop
    monkeypatch.setattr(ProcessPlugin, "stop", lambda plugin: (ended.append(plugin.state().state), stop(plugin)))
    with MemoryHost(tmp_path, entry_of(1)) as host:
        assert take(host, entry_of(1, delay_ms="soon"))[0].refused
        assert ended == ["ready", "failed"]


def test_where_the_one_before_does_not_come_back_either_both_reasons_are_told(tmp_path, monkeypatch):
    with MemoryHost(tmp_path, says("old")) as host:
        monkeypatch.setattr(Says, "start", broken_start)
        (done,) = take(host, says("new"))
        assert (done.state.state, done.refused) == ("failed", "RuntimeError: no disk for new")
        assert done.state.last_error == "RuntimeError: no disk for old"
        with pytest.raises(PluginAway):
            said(host)


def test_one_that_was_failed_already_is_failed_with_its_new_reason(tmp_path):
    with MemoryHost(tmp_path, says("old", config={"refuse": "no disk"})) as host:
        (done,) = take(host, says("new", config={"refuse": "no network"}))
        assert (done.state.state, done.state.last_error, done.refused) == ("failed", "RuntimeError: no network", "")


def test_one_that_is_started_anew_from_the_same_entry_is_failed_if_it_does_not_come_up(tmp_path, monkeypatch):
    with MemoryHost(tmp_path, says("same")) as host:
        monkeypatch.setattr(Says, "start", broken_start)
        done = host.plugins.reload("says", says("same"), drain_s=DRAIN_S)
        assert (done.state.state, done.refused) == ("failed", "")


def test_the_reason_of_a_refusal_shows_no_secret(tmp_path):
    secret = "a-long-word-that-nobody-may-see"
    with MemoryHost(tmp_path, says("old")) as host:
        host.plugins._redaction.register(secret)
        (done,) = take(host, says("new", config={"refuse": f"no entry with {secret}"}))
        assert (done.refused.startswith("RuntimeError: no entry with "), secret in done.refused) == (True, False)
