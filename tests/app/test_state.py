"""The state directory: one daemon, private directories, sealed stores, keys that fit."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from strongroom.app.keys import checked_against, root_keyring
from strongroom.app.stores import KEY_BYTES_MAX, VALUE_BYTES_MAX, SealedStore
from strongroom.engine.pre_migration import PreMigration
from strongroom.errors import InvalidInput, KeyMissing, LimitExceeded, Misconfigured, Tampered, Unavailable
from strongroom.keyring.check import verify
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.sources import SecretSource
from strongroom.settings.model import Settings
from strongroom.storage import key_checks, plugin_store
from strongroom.storage.database import Database
from strongroom.storage.directories import private_directory
from strongroom.storage.engines import parse_url, writer_engine
from strongroom.storage.state_lock import StateLock
from tests.storage.test_schema import migrate

SECRET = "1:" + "s" * 43


def test_a_second_lock_names_the_process_that_has_the_first(tmp_path):
    lock = StateLock(tmp_path)
    with pytest.raises(Unavailable, match=f"process {os.getpid()}") as caught:
        StateLock(tmp_path)
    assert "choose another --state-dir" in caught.value.fix
    lock.release()
    StateLock(tmp_path).release()


def test_a_lock_ends_with_its_process(tmp_path):
    code = "import sys, os; from pathlib import Path; from strongroom.storage.state_lock import StateLock; "
    code += f"StateLock(Path({str(tmp_path)!r})); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    StateLock(tmp_path).release()


def test_a_directory_is_made_private(tmp_path):
    made = private_directory(tmp_path / "a" / "b", "state_dir")
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_may_enter_is_refused_with_the_command_that_fixes_it(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(Misconfigured, match="is open to other users") as caught:
        private_directory(tmp_path / "open", "state_dir")
    assert f"chmod 700 {tmp_path / 'open'}" in caught.value.fix


def test_a_path_that_is_no_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misconfigured, match="cannot be used"):
        private_directory(tmp_path / "file", "cache_dir")


@pytest.fixture
def keys():
    return RecordKeys(parse_secrets(SECRET))


@pytest.fixture
def store(database, keys):
    return SealedStore("vault", database, keys)


def test_a_store_keeps_values_by_plugin_and_owner(database, keys, store):
    store.put("k", b"value")
    store.put("k", b"owned", owner="11" * 20)
    other = SealedStore("other", database, keys)
    assert store.get("k") == b"value"
    assert store.get("k", owner="11" * 20) == b"owned"
    assert other.get("k") is None
    assert store.list() == ["k"]
    store.delete("k")
    store.delete("k")
    assert store.get("k") is None


def test_a_store_holds_no_plaintext(database, store):
    store.put("k", b"canary" * 10)
    sealed = database.read(lambda c: plugin_store.get(c, "vault", "", "k"))
    assert b"canary" not in sealed


def test_a_value_opens_only_where_it_was_put(database, store):
    store.put("a", b"value")
    sealed = database.read(lambda c: plugin_store.get(c, "vault", "", "a"))
    for plugin, owner, key in [("vault", "", "b"), ("vault", "11" * 20, "a"), ("other", "", "a")]:
        place = (plugin, owner, key)
        database.write(lambda c, place=place: plugin_store.put(c, *place, sealed, updated_at=1)).result()
        with pytest.raises(Tampered):
            SealedStore(plugin, database, store._keys).get(key, owner=owner)


def test_a_store_has_limits_that_name_size_and_limit(store):
    with pytest.raises(LimitExceeded, match=f"the key is {KEY_BYTES_MAX + 1} bytes"):
        store.put("k" * (KEY_BYTES_MAX + 1), b"")
    with pytest.raises(LimitExceeded, match=f"the value is {VALUE_BYTES_MAX + 1} bytes"):
        store.put("k", b"v" * (VALUE_BYTES_MAX + 1))


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "a\udfff"])
def test_a_name_that_only_one_database_can_hold_is_refused_on_each(store, name):
    calls = [store.get, store.delete, store.list, lambda key, **rest: store.put(key, b"v", **rest)]
    for call in calls:
        with pytest.raises(InvalidInput, match="the key holds a NUL character or half") as caught:
            call(name)
        assert caught.value.code == "SR-STORE-032"
        with pytest.raises(InvalidInput, match="the owner holds"):
            call("k", owner=name)
    store.put("\ud7ff\ue000\U0010ffff", b"v")
    assert store.list("\ud7ff") == ["\ud7ff\ue000\U0010ffff"]


def test_a_database_opens_only_with_the_roots_that_it_was_written_with(database):
    def check(secrets):
        checked_against(parse_secrets(secrets), database, SecretSource("file", "/nowhere"), mode="serve")

    check(SECRET)
    check(SECRET)
    check(SECRET + ",2:" + "t" * 43)
    with pytest.raises(KeyMissing, match="the keyring does not fit the database"):
        check("1:" + "x" * 43 + ",2:" + "t" * 43)


def test_only_dev_makes_a_keyring_and_never_beside_data(tmp_path):
    settings = Settings(keyring_file=tmp_path / "keyring", state_dir=tmp_path)
    with pytest.raises(Misconfigured, match="there is no keyring"):
        root_keyring(settings, mode="serve", environ={})
    made, source = root_keyring(settings, mode="dev", environ={})
    assert source == SecretSource("file", str(tmp_path / "keyring"))
    assert root_keyring(settings, mode="dev", environ={})[0].key_id(1) == made.key_id(1)
    (tmp_path / "keyring").unlink()
    (tmp_path / "strongroom.db").write_bytes(b"")
    with pytest.raises(Misconfigured, match="holds data, but its keyring"):
        root_keyring(settings, mode="dev", environ={})
    assert not (tmp_path / "keyring").exists()


def test_a_directory_whose_path_is_no_text_is_refused_before_anything_is_made(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(Misconfigured, match="the path is not UTF-8") as caught:
        private_directory(path, "state_dir")
    assert caught.value.code == "SR-APP-008"
    assert "caf\\xe9" in caught.value.what
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_an_older_schema_and_other_roots_is_not_even_migrated(empty_url, tmp_path):
    migrate(empty_url, "0004")
    engine = writer_engine(parse_url(empty_url))
    root, other = parse_secrets(SECRET), parse_secrets("1:" + "x" * 43)
    (row,) = verify(root, [], now_ms=7)
    with engine.connect() as connection, connection.begin():
        connection.execute(
            text("INSERT INTO key_checks (version, key_id, check_value, created_at) VALUES (1, :id, :value, 7)"),
            {"id": row.key_id, "value": row.check_value},
        )
    settings = Settings(state_dir=tmp_path / "state", database_url=empty_url)
    with pytest.raises(KeyMissing, match="the keyring does not fit the database"):
        Database.open(empty_url, before_migration=PreMigration(settings, other, tmp_path / "audit.jsonl"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0004"
    engine.dispose()
    opened = Database.open(empty_url, before_migration=PreMigration(settings, root, tmp_path / "audit.jsonl"))
    assert opened.read(key_checks.all) == [row]
    opened.close()
