"""Where the audit log of a host lies, whose it is, and what is refused without one."""

from pathlib import Path

import pytest

from strongroom.app import daemon
from strongroom.app.auditing import AuditParts, audit_file
from strongroom.errors import Misconfigured
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.registry.states import PluginState
from strongroom.services.deeds import AUDITED
from strongroom.settings.audit import AuditSettings
from strongroom.settings.model import Settings
from strongroom.storage import audit_heads
from strongroom.storage.database import Database

ROOT = parse_secrets("1:" + "s" * 43)


def settings(state, **audit):
    return Settings(state_dir=state, audit=AuditSettings(**audit))


@pytest.mark.parametrize(
    ("mode", "environ", "expected"),
    [
        ("serve", {"LOGS_DIRECTORY": "/var/log/strongroom:/var/log/other"}, "/var/log/strongroom/audit.jsonl"),
        ("serve", {}, "/state/audit.jsonl"),
        ("dev", {"LOGS_DIRECTORY": "/var/log/strongroom"}, "/state/audit.jsonl"),
    ],
)
def test_a_service_has_its_log_where_its_manager_says(mode, environ, expected):
    assert audit_file(settings(Path("/state")), mode, environ) == Path(expected)


def test_the_setting_says_where_it_is():
    assert audit_file(settings(Path("/state"), file="/log/a.jsonl"), "serve", {}) == Path("/log/a.jsonl")


def test_a_service_refuses_what_it_cannot_record_and_keeps_room_for_records_unless_it_is_told_otherwise():
    audit = AuditSettings()
    assert (audit.refuses("serve"), audit.refuses("dev")) == (True, False)
    assert (audit.reserve("serve"), audit.reserve("dev")) == (67_108_864, 0)
    audit = AuditSettings(on_failure="degrade", reserve_bytes=0)
    assert (audit.refuses("serve"), audit.reserve("serve")) == (False, 0)
    assert AuditSettings(on_failure="refuse").refuses("dev")


@pytest.fixture
def database(sqlite_url):
    opened = Database.open(sqlite_url)
    yield opened
    opened.close()


def parts(database, state, **audit):
    return AuditParts(settings(state, **audit), ROOT, RecordKeys(ROOT), database, "d" * 32, "dev")


def test_a_host_goes_on_in_its_log_and_says_what_it_found(database, tmp_path):
    first = parts(database, tmp_path)
    first.start()
    first.plugin_changed(PluginState(name="vault", kind="process", state="failed", last_error="no key"))
    first.key_changed()
    first.stop()
    path = tmp_path / "audit.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("ab") as file:
        file.write(b"cut off")
    second = parts(database, tmp_path)
    second.start()
    second.audit.record("run.start", subject="wrun_1")
    text = path.read_text()
    for action in ("host.start", "plugin.failed", "keys.changed", "host.stop", "audit.repaired"):
        assert f'"action":"{action}"' in text
    assert second.verify(lambda _records: None).breaks == ()
    assert second.is_ready
    second.stop()


def test_another_database_is_another_host(database, tmp_path):
    first = parts(database, tmp_path)
    first.start()
    first.stop()
    other = AuditParts(settings(tmp_path), ROOT, RecordKeys(ROOT), database, "e" * 32, "dev")
    other.start()
    assert other.verify(lambda _records: None).breaks[0].kind == "another host"
    other.stop()


def test_a_place_that_cannot_be_written_is_said_at_the_start(database, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured) as refused:
        parts(database, tmp_path, file=str(tmp_path / "file" / "audit.jsonl")).start()
    assert refused.value.details["where"] == "audit.file"


def test_each_service_with_deeds_is_served_with_their_records():
    source = Path(daemon.__file__).read_text()
    for service in {method.split("/")[1].rpartition(".")[2] for method in AUDITED}:
        if f"add_{service}Servicer_to_server" in source:
            assert f'recorded("{service}"' in source, f"app/daemon.py: add {service} as recorded(...)"


def test_hosts_that_share_a_server_have_logs_of_their_own(database, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "backend", "postgresql")
    monkeypatch.setattr("socket.gethostname", lambda: "machine 1/ä")
    names = []
    for place in ("one", "two", "one"):
        (tmp_path / place).mkdir(exist_ok=True)
        made = parts(database, tmp_path / place)
        made.start()
        made.stop()
        names.append(made.log.writer.place.path.read_text().split('"host":"')[1].split('"')[0])
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("machine-1---")
    assert len(database.read(audit_heads.all)) == 2
