"""A host whose database is gone does not start as a new one."""

import pytest

from strongroom.app.lost_database import refuse_lost_database
from strongroom.errors import Misconfigured
from strongroom.settings.layers import load


@pytest.fixture
def settings(tmp_path):
    return load("dev", {"state_dir": tmp_path}, tmp_path, {}).settings


def refused(settings):
    with pytest.raises(Misconfigured) as error:
        refuse_lost_database(settings, settings.state_dir / "audit.jsonl")
    assert error.value.code == "SR-APP-011"
    return error.value.why


def test_an_empty_directory_is_a_new_host(settings):
    refuse_lost_database(settings, settings.state_dir / "audit.jsonl")
    (settings.state_dir / "audit.jsonl").touch()
    refuse_lost_database(settings, settings.state_dir / "audit.jsonl")


@pytest.mark.parametrize("sign", ["audit.jsonl", "audit.host", "vault/vault.db", "recovery-verified.json"])
@pytest.mark.parametrize("database", ["missing", "empty"])
def test_where_a_host_was_before_a_database_that_is_gone_is_refused(settings, sign, database):
    path = settings.state_dir / sign
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    if database == "empty":
        settings.database.touch()
    assert str(path) in refused(settings)
    settings.database.write_bytes(b"SQLite format 3\0")
    refuse_lost_database(settings, settings.state_dir / "audit.jsonl")


def test_a_database_that_is_named_by_its_url_is_looked_at_too(tmp_path):
    (tmp_path / "audit.jsonl").write_text("x")
    named = {"state_dir": tmp_path, "database_url": f"sqlite:///{tmp_path}/own.db"}
    refused(load("dev", named, tmp_path, {}).settings)


def test_a_server_is_asked_for_itself(tmp_path):
    (tmp_path / "audit.jsonl").write_text("x")
    named = {"state_dir": tmp_path, "database_url": "postgresql://nobody@localhost/none"}
    refuse_lost_database(load("dev", named, tmp_path, {}).settings, tmp_path / "audit.jsonl")
