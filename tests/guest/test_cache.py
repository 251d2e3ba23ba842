"""The cache of compiled modules: only what this host's key wrote is ever handed out."""

import os
import stat

import pytest

from strongroom.guest import anonymous_code
from strongroom.guest.anonymous_code import FILES_MAX, MEMORY_ENTRIES_MAX, AnonymousCode
from strongroom.guest.cache import CompiledCache, MemoryCache

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
    [file] = (tmp_path / "cache").glob("*.native")
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
    second = next(f for f in (tmp_path / "cache").glob("*.native") if f != written)
    second.write_bytes(written.read_bytes())
    assert again(tmp_path, mac_key).get("second") is None


def is_memory(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")  # noqa: PTH115 - it is no path


def has_no_name(descriptor):
    return os.fstat(descriptor).st_nlink == 0


@pytest.fixture
def without_files(monkeypatch):
    """A file system that has no files without a name."""
    monkeypatch.setattr(anonymous_code, "_usable", lambda _directory: None)


def test_what_is_handed_out_has_no_name_and_cannot_be_written(tmp_path, mac_key, written):
    descriptor = again(tmp_path, mac_key).get("key")
    assert not is_memory(descriptor)
    assert has_no_name(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o444, "a runner of another user reads it"
    assert list((tmp_path / "cache" / "open").iterdir()) == []
    os.close(descriptor)


def test_a_change_of_the_file_after_its_check_does_not_reach_what_was_handed_out(tmp_path, mac_key, written):
    cache = again(tmp_path, mac_key)
    descriptor = cache.get("key")
    written.write_bytes(bytes(written.stat().st_size))
    assert content(descriptor) == NATIVE
    assert content(cache.get("key")) == NATIVE
    cache.close()


@pytest.mark.usefixtures("without_files")
def test_where_files_need_names_it_is_sealed_memory_and_cannot_be_changed(tmp_path, mac_key, written):
    descriptor = again(tmp_path, mac_key).get("key")
    assert is_memory(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    with pytest.raises(PermissionError):
        # Neither may anyone open it again for writing and get through: the seals hold for the superuser too.
        os.write(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR), b"x")
    os.close(descriptor)


def test_a_disk_that_is_full_makes_it_memory(tmp_path, mac_key, monkeypatch):
    real, full = os.write, []

    def write(descriptor, data):
        if not full and not is_memory(descriptor):
            full.append(real(descriptor, bytes(data)[:1_000]))
            return full[0]
        if not is_memory(descriptor):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(anonymous_code.os, "write", write)
    cache = MemoryCache(entries_max=2)
    cache._open.directory = AnonymousCode(tmp_path).directory
    cache.put("key", NATIVE)
    descriptor = cache.get("key")
    assert full == [1_000]
    assert is_memory(descriptor)
    assert content(descriptor) == NATIVE
    cache.close()


def test_a_directory_that_is_not_empty_is_not_one_that_runners_may_read(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "somebody's file").touch()
    assert AnonymousCode(tmp_path / "open").directory is None


def test_code_may_lie_in_memory_alone():
    cache = MemoryCache(entries_max=2)
    for number in range(3):
        cache.put(str(number), NATIVE)
    assert cache.get("0") is None
    assert content(cache.get("2")) == NATIVE
    cache.discard("2")
    assert cache.get("2") is None
    cache.close()


def test_the_least_recently_used_files_go_first(tmp_path, mac_key):
    cache = again(tmp_path, mac_key, bytes_max=3 * 5_100)
    for number in range(3):
        cache.put(f"key {number}", NATIVE)
    os.close(again(tmp_path, mac_key).get("key 0"))
    cache.put("key 3", NATIVE)
    fresh = again(tmp_path, mac_key)
    assert [fresh.get(f"key {number}") is not None for number in range(4)] == [True, False, True, True]
    fresh.close()


def descriptors():
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - these are descriptors, not paths


def test_open_files_are_bounded(tmp_path, mac_key):
    before = descriptors()
    cache = again(tmp_path, mac_key)
    for number in range(FILES_MAX + 10):
        os.close(cache._open.keep(f"key {number}", cache._open.place()))
    assert descriptors() <= before + FILES_MAX + 1
    cache.close()
    assert descriptors() == before


@pytest.mark.usefixtures("without_files")
def test_memory_is_bounded(tmp_path, mac_key):
    before = descriptors()
    cache = again(tmp_path, mac_key)
    for number in range(MEMORY_ENTRIES_MAX * 2):
        cache.put(f"key {number}", b"code")
    assert descriptors() <= before + MEMORY_ENTRIES_MAX
    cache.close()
    assert descriptors() == before


def test_a_disk_that_refuses_makes_it_slow_not_broken(tmp_path, mac_key):
    cache = again(tmp_path, mac_key)
    (tmp_path / "cache" / "open").rmdir()
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
