"""What a runner keeps loaded, counted alike at both ends."""

from strongroom.guest.loaded_modules import BYTES_MAX, MODULES_MAX, LoadedModules
from tests.guest.running import execute, text_of
from tests.guests.build import wasm


def test_the_least_recently_used_goes_first():
    loaded = LoadedModules()
    for number in range(MODULES_MAX):
        assert loaded.use(str(number), 1) == []
    loaded.use("0")
    assert loaded.use("new", 1) == ["1"]
    assert "0" in loaded
    assert "1" not in loaded


def test_large_code_leaves_room_for_itself_and_is_loaded_whatever_its_size():
    loaded = LoadedModules()
    loaded.use("small", 1)
    assert loaded.use("huge", BYTES_MAX + 1) == ["small"]
    assert loaded.use("next", 1) == ["huge"]


def test_a_runner_that_has_dropped_a_module_gets_it_again(make_pool):
    pool = make_pool(runners_max=1)
    # A custom section of its own makes each of them another module.
    modules = [wasm("config") + b"\0\x02\x01" + bytes([number]) for number in range(MODULES_MAX + 2)]
    for _ in range(2):
        for module in modules:
            assert text_of(execute(pool, "", module=module)) == b"config"
    [runner] = pool._fleet._idle
    assert sum(pool.key_of(module) in runner.modules for module in modules) == MODULES_MAX
