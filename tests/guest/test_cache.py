"""The cache of compiled modules: only what this host's key wrote is ever handed out."""

import os
import stat

import pytest

from strongroom.guest.cache import MEMORY_ENTRIES_MAX, CompiledCache

NATIVE = os.urandom(5_000)


def content(descriptor):
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def again(tmp_path, key, **options):
    """A cache with nothing in memory, as after a restart."""
    return CompiledCache(tmp_path / "cache", key, **options)


@pytest.fixture
def written(tmp_path, mac_key):
    again(tmp_path, mac_key).put("key", NATIVE)
    [file] = (tmp_path / "cache").iterdir()
    return file


def test_what_was_put_is_there_after_a_restart(tmp_path, mac_key, written):
    assert content(again(tmp_path, mac_key).get("key")) == NATIVE


def test_nobody_else_can_read_the_files(tmp_path, written):
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_another_name_is_a_miss(tmp_path, mac_key, written):
    assert again(tmp_path, mac_key).get("other") is None


def test_another_key_is_a_miss(tmp_path, other_key, written):
    assert again(tmp_path, other_key).get("key") is None


def test_every_flip_is_a_miss(tmp_path, mac_key, written):
    whole = written.read_bytes()
    for at in [*range(60), *range(60, len(whole), 97), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 1
        written.write_bytes(damaged)
        assert again(tmp_path, mac_key).get("key") is None, at


def test_every_cut_is_a_miss(tmp_path, mac_key, written):
    whole = written.read_bytes()
    for size in [*range(60), *range(60, len(whole), 97)]:
        written.write_bytes(whole[:size])
        assert again(tmp_path, mac_key).get("key") is None, size


def test_a_file_in_the_place_of_another_is_a_miss(tmp_path, mac_key, written):
    cache = again(tmp_path, mac_key)
    cache.put("second", b"other code")
    second = next(f for f in (tmp_path / "cache").iterdir() if f != written)
    second.write_bytes(written.read_bytes())
    assert again(tmp_path, mac_key).get("second") is None


def test_what_is_handed_out_cannot_be_changed(tmp_path, mac_key, written):
    descriptor = again(tmp_path, mac_key).get("key")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    with pytest.raises(PermissionError):
        # Neither may anyone open it again for writing and get through: the seals hold for the superuser too.
        os.write(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR), b"x")
    os.close(descriptor)


def test_the_least_recently_used_files_go_first(tmp_path, mac_key):
    cache = again(tmp_path, mac_key, bytes_max=3 * 5_100)
    for number in range(3):
        cache.put(f"key {number}", NATIVE)
    os.close(again(tmp_path, mac_key).get("key 0"))
    cache.put("key 3", NATIVE)
    fresh = again(tmp_path, mac_key)
    assert [fresh.get(f"key {number}") is not None for number in range(4)] == [True, False, True, True]
    fresh.close()


def test_memory_is_bounded(tmp_path, mac_key):
    cache = again(tmp_path, mac_key)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - these are descriptors, not paths
    for number in range(MEMORY_ENTRIES_MAX * 2):
        cache.put(f"key {number}", b"code")
    assert len(os.listdir("/proc/self/fd")) <= before + MEMORY_ENTRIES_MAX  # noqa: PTH208 - the same
    cache.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - the same


def test_a_disk_that_refuses_makes_it_slow_not_broken(tmp_path, mac_key):
    cache = again(tmp_path, mac_key)
    (tmp_path / "cache").rmdir()
    cache.put("key", NATIVE)
    assert content(cache.get("key")) == NATIVE
    cache.close()


def test_what_was_discarded_is_gone(tmp_path, mac_key, written):
    cache = again(tmp_path, mac_key)
    os.close(cache.get("key"))
    cache.discard("key")
    assert cache.get("key") is None
    assert not written.exists()
