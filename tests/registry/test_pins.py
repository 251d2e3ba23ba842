"""Pins: what is not what it was pinned to be is not imported and not started, and says why."""

import os
import sys

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import PluginFault
from strongroom.registry import pinned_files
from strongroom.registry.pins import check_pin
from strongroom.settings.manifest import Pin, PluginEntry
from tests.fakes.installed_plugin import InstalledPlugin, line_of
from tests.fakes.memory_host import MemoryHost

WORD = wrappers_pb2.StringValue()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    installed = InstalledPlugin(tmp_path / "site")
    yield installed
    installed.forget()


def refusal(entry, call=check_pin):
    with pytest.raises(PluginFault) as caught:
        call(entry)
    assert caught.value.fix, "whoever reads it is told what to do"
    return caught.value


def told(host, plugin):
    answer = host.call(f"{plugin.package}@1.0.0", "Tell", WORD, workflow_execution_id="e", reference_id="1")
    return wrappers_pb2.StringValue.FromString(answer.payload.value).value


@pytest.mark.parametrize("kind", ["entry", "process"])
def test_what_is_as_it_was_pinned_runs(plugin, tmp_path, kind):
    with MemoryHost(tmp_path / "run", getattr(plugin, kind)()) as host:
        assert (host.plugins.states()[0].state, host.plugins.states()[0].last_error) == ("ready", "")
        assert told(host, plugin) == "good"


def test_what_was_compared_is_told(plugin):
    assert check_pin(plugin.entry()) == f"{plugin.distribution} 1.2, 6 files"
    assert check_pin(plugin.entry(pin=None)) == ""


@pytest.mark.parametrize("kind", ["entry", "process"])
def test_one_changed_byte_fails_that_plugin_alone_and_says_what_was_expected_and_found(plugin, tmp_path, kind):
    pinned = getattr(plugin, kind)()
    plugin.path("inner/words.py").write_text("WORD = 'evil'\n")
    other = PluginEntry(name="probe", factory="tests.fakes.probe_plugin:Probe", config={})
    with MemoryHost(tmp_path / "run", pinned, other) as host:
        failed, serves = host.plugins.states()
        assert (failed.state, failed.pid, serves.state) == ("failed", 0, "ready")
        for part in (
            "words.py was changed after",
            "expected sha256=",
            "found sha256=",
            "install the distribution again",
        ):
            assert part in failed.last_error
    assert plugin.package not in sys.modules, "nothing of it was imported"


@pytest.mark.parametrize("kind", ["entry", "process"])
def test_a_required_plugin_that_does_not_fit_stops_the_host(plugin, tmp_path, kind):
    host = MemoryHost(tmp_path / "run", getattr(plugin, kind)(required=True, pin=plugin.pin(version="1.3")))
    with pytest.raises(PluginFault, match="expected version 1.3, found 1.2") as caught:
        host.plugins.start()
    assert caught.value.code == "SR-PLUG-033"


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        ({"version": "1.2.0"}, "SR-PIN-004", "version 1.2.0"),
        ({"record_sha256": "0" * 64}, "SR-PIN-005", "0" * 64),
        ({"distribution": "not-there"}, "SR-PIN-001", None),
        ({"distribution": "../.."}, "SR-PIN-001", None),
        ({"distribution": "pyyaml", "version": "0"}, "SR-PIN-004", "version 0"),
    ],
)
def test_another_distribution_than_the_pinned_one_is_refused(plugin, changes, code, expected):
    refused = refusal(plugin.entry(pin=plugin.pin(**changes)))
    assert (refused.code, refused.details.get("expected")) == (code, expected)


def test_a_changed_record_is_refused_also_where_it_lists_what_is_there(plugin):
    pinned = plugin.entry()
    plugin.path("inner/words.py").write_text("WORD = 'evil'\n")
    plugin.record()
    assert refusal(pinned).code == "SR-PIN-005"
    assert check_pin(plugin.entry()), "which is what pinning it anew accepts"


def remove(plugin):
    plugin.path("plugin.py").unlink()


def pipe(plugin):
    remove(plugin)
    os.mkfifo(plugin.path("plugin.py"))


def folder(plugin):
    remove(plugin)
    plugin.path("plugin.py").mkdir()


@pytest.mark.parametrize("change", [remove, pipe, folder])
def test_a_listed_file_that_cannot_be_read_is_refused_and_nobody_waits_for_it(plugin, change):
    change(plugin)
    refused = refusal(plugin.entry())
    assert (refused.code, "plugin.py" in str(refused)) == ("SR-PIN-006", True)


@pytest.mark.parametrize(
    "path", ["extra.py", "inner/extra.py", "extra.so", "extra.pyc", "__pycache__/extra.py", "new/deep/extra.py"]
)
def test_a_file_that_could_be_imported_and_is_not_listed_is_refused(plugin, path):
    plugin.path(path).parent.mkdir(parents=True, exist_ok=True)
    plugin.path(path).write_bytes(b"")
    refused = refusal(plugin.entry())
    assert (refused.code, path in str(refused)) == ("SR-PIN-008", True)


def test_a_link_to_a_folder_is_refused_and_data_is_nobodys_business(plugin, tmp_path):
    plugin.path("table.csv").write_text("1,2\n")
    assert check_pin(plugin.entry())
    (tmp_path / "elsewhere").mkdir()
    plugin.path("linked").symlink_to(tmp_path / "elsewhere")
    assert refusal(plugin.entry()).code == "SR-PIN-008"


def test_a_module_without_a_hash_in_the_record_is_refused(plugin):
    plugin.path("extra.py").write_text("")
    plugin.record(f"{plugin.package}/extra.py,,\n")
    assert refusal(plugin.entry()).code == "SR-PIN-008"


def test_an_editable_installation_cannot_be_pinned(plugin):
    origin = b'{"url":"file:///somewhere","dir_info":{"editable":true}}'
    (plugin.info / "direct_url.json").write_bytes(origin)
    plugin.record(line_of(f"{plugin.info.name}/direct_url.json", origin))
    refused = refusal(plugin.entry())
    assert (refused.code, refused.why) == (
        "SR-PIN-002",
        "it is installed as editable, so its RECORD does not list its code",
    )


def test_a_file_that_runs_before_any_check_cannot_be_pinned(plugin):
    (plugin.site / "made_up.pth").write_text("import this\n")
    plugin.record(line_of("made_up.pth", b"import this\n"))
    refused = refusal(plugin.entry())
    assert (refused.code, refused.why.startswith("made_up.pth runs whenever")) == ("SR-PIN-002", True)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"a,b\n",
        b"a,md5=x,1\n",
        b"a,sha256=,1\n",
        b",sha256=x,1\n",
        b"\xff,sha256=x,1\n",
        b"a\0,sha256=x,1\n",
        b'"a,sha256=x,1\n',
        b"a,sha256=x,1\n" * 60_000,
        b"a" * 9_000_000,
    ],
    ids=["empty", "two columns", "weak", "no hash", "no path", "no text", "zero", "open quote", "many", "huge"],
)
def test_a_record_that_cannot_be_read_is_refused(plugin, record):
    plugin.record_path.write_bytes(record)
    assert refusal(plugin.entry()).code == "SR-PIN-003"


def test_the_files_of_a_distribution_have_a_limit(plugin, monkeypatch):
    monkeypatch.setattr(pinned_files, "DISTRIBUTION_BYTES_MAX", 100)
    assert refusal(plugin.entry()).code == "SR-PIN-006"
    monkeypatch.setattr(pinned_files, "DISTRIBUTION_BYTES_MAX", 100_000)
    monkeypatch.setattr(pinned_files, "ENTRIES_MAX", 3)
    refused = refusal(plugin.entry())
    assert (refused.code, "more than 3 entries" in str(refused)) == ("SR-PIN-009", True)


def test_a_factory_of_another_distribution_is_not_what_is_pinned(plugin):
    refused = refusal(plugin.entry(factory="json.decoder:JSONDecoder"))
    assert (refused.code, str(refused).startswith("json.decoder is not in the pinned")) == ("SR-PIN-010", True)


@pytest.mark.parametrize(
    ("command", "fix"),
    [
        (("python", "a.py"), "command_sha256"),
        (("/usr/bin/python3", "-m", "json"), "command_sha256"),
        (("python", "-X", "dev", "-m", "json"), "command_sha256"),
    ],
)
def test_a_distribution_is_pinned_only_for_what_this_host_imports_itself(plugin, command, fix):
    refused = refusal(plugin.process(command=command))
    assert (refused.code, fix in refused.fix) == ("SR-PIN-011", True)


def test_a_pin_of_nothing_does_not_exist(plugin):
    assert refusal(plugin.entry(pin=Pin(distribution=plugin.distribution))).code == "SR-PIN-004"


@pytest.mark.parametrize("kind", ["entry", "process", "program"])
def test_where_pins_are_required_what_has_none_is_not_started(plugin, tmp_path, kind):
    ran = tmp_path / "ran"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o700)
    make = {"program": lambda **pin: plugin.process(command=(str(program),), **pin)}.get(kind) or getattr(plugin, kind)
    refused = refusal(make(pin=Pin()))
    assert (refused.code, "strongroom plugin pin" in refused.fix) == ("SR-PIN-015", True)
    other = PluginEntry(name="probe", factory="tests.fakes.probe_plugin:Probe", config={})
    with MemoryHost(tmp_path / "run", make(pin=Pin()), other) as host:
        failed, serves = host.plugins.states()
        assert (failed.state, serves.state) == ("failed", "ready")
        assert "pins: required" in failed.last_error
    assert plugin.package not in sys.modules
    assert not ran.exists()
