"""Plugin values, key checks and facts about the database."""

import pytest

from strongroom.errors import Conflict
from strongroom.storage import key_checks, meta, plugin_store
from strongroom.storage.key_checks import KeyCheckRow


def put(database, plugin, owner, key, value):
    database.write(lambda conn: plugin_store.put(conn, plugin, owner, key, value, updated_at=1)).result()


def test_a_plugins_value_is_kept_replaced_and_deleted(database):
    put(database, "vault", "o", "k", b"\x00one")
    put(database, "vault", "o", "k", b"two")
    assert database.read(lambda conn: plugin_store.get(conn, "vault", "o", "k")) == b"two"
    assert database.write(lambda conn: plugin_store.delete(conn, "vault", "o", "k")).result() is True
    assert database.write(lambda conn: plugin_store.delete(conn, "vault", "o", "k")).result() is False
    assert database.read(lambda conn: plugin_store.get(conn, "vault", "o", "k")) is None


def test_plugins_and_owners_do_not_see_each_other(database):
    put(database, "vault", "o", "k", b"v")
    for plugin, owner, key in (("vaul", "to", "k"), ("vault", "", "k"), ("vault", "o", "K"), ("vault", "o", "k ")):
        assert database.read(lambda conn, name=(plugin, owner, key): plugin_store.get(conn, *name)) is None
    assert database.read(lambda conn: plugin_store.list(conn, "vault", "other")) == ()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ("A", "a%b", "a_c", "axb", "é", "\ud7ff!", "\ue000", "\U0010ffff", "\U0010ffff!")),
        ("a", ("a%b", "a_c", "axb")),
        ("a%", ("a%b",)),
        ("a_", ("a_c",)),
        ("é", ("é",)),
        ("\ud7ff", ("\ud7ff!",)),
        ("\U0010ffff", ("\U0010ffff", "\U0010ffff!")),
    ],
    ids=["none", "exact case", "percent", "underscore", "beyond ascii", "before surrogates", "the last character"],
)
def test_keys_are_listed_by_prefix_in_byte_order(database, prefix, expected):
    for key in ("é", "axb", "a%b", "A", "a_c", "\ud7ff!", "\ue000", "\U0010ffff", "\U0010ffff!"):
        put(database, "p", "", key, b"v")
    assert database.read(lambda conn: plugin_store.list(conn, "p", "", prefix)) == expected


def test_a_key_check_is_written_once(database):
    rows = [KeyCheckRow(version=v, key_id=f"k{v}-00000000", check_value=bytes(32), created_at=5) for v in (2, 1)]
    for row in rows:
        database.write(lambda conn, row=row: key_checks.add(conn, row)).result()
    assert database.read(key_checks.all) == rows[::-1]
    with pytest.raises(Conflict):
        database.write(lambda conn: key_checks.add(conn, rows[0])).result()


def test_a_fact_is_set_and_set_again(database):
    assert database.read(lambda conn: meta.get(conn, "deployment_id")) is None
    for value in ("dpl_1", "dpl_2"):
        database.write(lambda conn, value=value: meta.set(conn, "deployment_id", value)).result()
    assert database.read(lambda conn: meta.get(conn, "deployment_id")) == "dpl_2"
