"""A keyring is one object for the life of a host: a change of it is seen everywhere, at once, whole."""

import threading

import pytest

from strongroom.crypto.srn1 import Place, key_version_of
from strongroom.errors import KeyMissing, Tampered
from strongroom.keyring.cache_key import CacheKey
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import WORKFLOWS
from strongroom.keyring.run_keys import RunKeys
from tests.fakes.key_rig import SECRETS, roots

PLACE = Place("wrun_1", "created", "", "input", 0, False, b"")


def version_of(record):
    return int.from_bytes(record[4:8], "big")


def test_the_promoted_version_writes_and_else_the_highest():
    ring = roots(1, 3, 2)
    assert (ring.writing_version, ring.promoted) == (3, None)
    assert (ring.changed(promoted=2).writing_version, ring.changed(promoted=2).promoted) == (2, 2)
    assert ring.writing_version == 3, "a change is made beside it"


def test_a_retired_version_that_is_still_held_reads_and_does_not_write():
    ring = roots(1, 2).changed(retired=frozenset({2, 9}))
    assert (ring.writing_version, ring.versions, ring.retired) == (1, (2, 1), frozenset({2}))
    assert ring.key_id(2) == roots(2).key_id(2)


def test_everything_that_holds_it_writes_under_what_was_promoted():
    ring = roots(1)
    records, runs, cache = RecordKeys(ring), RunKeys(ring, "dpl"), CacheKey(ring)
    old = records.seal(WORKFLOWS, ("a",), b"old"), cache.mac(b"native")
    ring.become(roots(1, 2).changed(promoted=2))
    assert (records.writing_version, runs.writing_version) == (2, 2)
    assert version_of(records.seal(WORKFLOWS, ("a",), b"new")) == 2
    assert key_version_of(runs.seal(PLACE, b"x", key_version=runs.writing_version)) == 2
    assert records.open(WORKFLOWS, ("a",), old[0]) == b"old"
    cache.check_mac(b"native", old[1])
    assert cache.mac(b"native") != old[1]
    assert derive_keyring(ring, "alice").writing_version == 2
    assert derive_keyring(ring.changed(promoted=1), "alice").writing_version == 1


def test_a_version_that_is_dropped_opens_nothing_any_more():
    ring = roots(1, 2)
    records, cache = RecordKeys(ring.changed(promoted=1)), CacheKey(ring)
    blob, mac = records.seal(WORKFLOWS, ("a",), b"x"), cache.mac(b"native")
    ring.subroot(WORKFLOWS, 1)
    ring.become(ring.changed(promoted=2, without=1))
    with pytest.raises(KeyMissing, match="root key version 1 is missing"):
        RecordKeys(ring).open(WORKFLOWS, ("a",), blob)
    cache.check_mac(b"native", mac)
    ring.become(roots(3))
    with pytest.raises(Tampered, match="a cached file"):
        cache.check_mac(b"native", mac)


def test_who_seals_while_versions_are_promoted_and_dropped_never_sees_half_a_change():
    ring, stop, wrong = roots(1), threading.Event(), []
    records = RecordKeys(ring)

    def seal():
        while not stop.is_set():
            try:
                blob = records.seal(WORKFLOWS, ("a",), b"x")
                assert records.open(WORKFLOWS, ("a",), blob) == b"x"
                keyring = derive_keyring(ring, "alice")
                assert keyring.writing_version in keyring.versions
            except Exception as error:
                wrong.append(repr(error))
                return

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 10):
        added = roots(*range(1, version + 1)).changed(promoted=version - 1)
        ring.become(added)
        ring.become(added.changed(promoted=version))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert ring.writing_version == 9


def test_nothing_of_a_keyring_is_shown():
    ring = roots(2, 1).changed(promoted=1)
    shown = f"{ring} {ring!r} {ring._held!r} {CacheKey(ring)!r} {RecordKeys(ring)!r} {derive_keyring(ring, 'a')!r}"
    for version in (1, 2):
        assert SECRETS[version][2:] not in shown
        assert ring._held.roots[version]._raw.hex() not in shown
