"""WASI without a system: bad pointers, clocks, polls and closed descriptors.

Source: contracts/cre-guest.md sections 10 and 19.
"""

import struct

import pytest

from strongroom.errors import TimedOut
from strongroom.guest.limits import GuestLimits
from strongroom.guest.runner.clock import STEP_NS
from strongroom.guest.runner.imports import WASI
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import MEMORY_BYTES, Program
from tests.guests.host import PretendedHost

REQUEST = sdk_pb2.ExecuteRequest(subscribe={}).SerializeToString()
EFAULT, EINVAL, EBADF, ENOTSUP = 21, 28, 8, 58
END = MEMORY_BYTES
# The names and types of the public interface, written down a second time.
PREVIEW1 = {
    "args_get": "ii", "args_sizes_get": "ii", "environ_get": "ii", "environ_sizes_get": "ii", "clock_res_get": "ii",
    "clock_time_get": "iqi", "fd_advise": "iqqi", "fd_allocate": "iqq", "fd_close": "i", "fd_datasync": "i",
    "fd_fdstat_get": "ii", "fd_fdstat_set_flags": "ii", "fd_fdstat_set_rights": "iqq", "fd_filestat_get": "ii",
    "fd_filestat_set_size": "iq", "fd_filestat_set_times": "iqqi", "fd_pread": "iiiqi", "fd_prestat_get": "ii",
    "fd_prestat_dir_name": "iii", "fd_pwrite": "iiiqi", "fd_read": "iiii", "fd_readdir": "iiiqi", "fd_renumber": "ii",
    "fd_seek": "iqii", "fd_sync": "i", "fd_tell": "ii", "fd_write": "iiii", "path_create_directory": "iii",
    "path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiqqi", "path_link": "iiiiiii",
    "path_open": "iiiiiqqii", "path_readlink": "iiiiii", "path_remove_directory": "iii", "path_rename": "iiiiii",
    "path_symlink": "iiiii", "path_unlink_file": "iii", "poll_oneoff": "iiii", "proc_exit": "i", "proc_raise": "i",
    "random_get": "ii", "sched_yield": "", "sock_accept": "iii", "sock_recv": "iiiiii", "sock_send": "iiiii",
    "sock_shutdown": "ii",
}  # fmt: skip


def run(program, host=None, **limits):
    answer = run_guest(program.wasm(), REQUEST, host or PretendedHost(), limits=GuestLimits(**limits))
    return program.reply(answer)


def one(name, *arguments):
    """The result of a single call."""
    program = Program()
    program.wasi(name, PREVIEW1[name], *arguments)
    return run(program).results[0]


def test_the_whole_surface_is_there_with_its_types():
    assert {name: row[0] for name, row in WASI.items()} == PREVIEW1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("args_sizes_get", (END, 8)),
        ("args_sizes_get", (8, END - 3)),
        ("args_sizes_get", (-4, 8)),
        ("args_get", (END - 7, 8)),
        ("args_get", (8, END - 5)),
        ("environ_sizes_get", (8, END)),
        ("clock_time_get", (0, 0, END - 7)),
        ("clock_time_get", (1, 0, -8)),
        ("clock_res_get", (0, END)),
        ("random_get", (END - 3, 4)),
        ("random_get", (-1, 4)),
        ("random_get", (100, 2147483547)),
        ("fd_write", (1, END - 7, 1, 8)),
        ("fd_write", (1, 8, 0, END)),
        ("fd_read", (0, 8, 0, END - 3)),
        ("fd_fdstat_get", (1, END - 23)),
        ("fd_filestat_get", (2, END - 63)),
        ("poll_oneoff", (END - 47, 8, 1, 8)),
        ("poll_oneoff", (8, END - 31, 1, 8)),
        ("poll_oneoff", (8, 8, 1, END - 3)),
    ],
)
def test_a_bad_pointer_is_an_error_number_and_no_trap(name, arguments):
    assert one(name, *arguments) == EFAULT


def test_a_vector_that_points_outside_memory_is_an_error_number():
    program = Program()
    vectors, _ = program.put(struct.pack("<IIII", 8, 4, END - 2, 3))
    program.wasi("fd_write", "iiii", 1, vectors, 1, program.buffer(4))
    program.wasi("fd_write", "iiii", 1, vectors, 2, program.buffer(4))
    assert run(program).results == [0, EFAULT]


@pytest.mark.parametrize(
    ("name", "arguments", "errno"),
    [
        ("random_get", (8, -1), EINVAL),
        ("clock_time_get", (2, 0, 8), EINVAL),
        ("clock_time_get", (-1, 0, 8), EINVAL),
        ("clock_res_get", (2, 8), EINVAL),
        ("poll_oneoff", (8, 8, 0, 8), EINVAL),
        ("poll_oneoff", (8, 8, -1, 8), EINVAL),
        ("poll_oneoff", (8, 8, 129, 8), EINVAL),
        ("poll_oneoff", (8, 8, 2147483647, 8), EINVAL),
        ("fd_write", (1, 8, 2147483647, 8), EINVAL),
        ("proc_raise", (9,), ENOTSUP),
    ],
)
def test_what_makes_no_sense_is_an_error_number(name, arguments, errno):
    assert one(name, *arguments) == errno


@pytest.mark.parametrize(
    ("name", "errnos"),
    [
        ("fd_seek", [70, 70, 70, EBADF, EBADF]),
        ("fd_tell", [70, 70, 70, EBADF, EBADF]),
        ("fd_pread", [70, EBADF, EBADF, EBADF, EBADF]),
        ("fd_pwrite", [EBADF, 70, EBADF, EBADF, EBADF]),
        ("fd_prestat_get", [EBADF] * 5),
        ("fd_prestat_dir_name", [54, 54, 54, EBADF, EBADF]),
        ("fd_fdstat_set_flags", [EBADF] * 5),
        ("path_open", [EBADF] * 5),
        ("fd_readdir", [EBADF] * 5),
        ("sock_accept", [57, 57, 57, EBADF, EBADF]),
        ("sock_shutdown", [57, 57, 57, EBADF, EBADF]),
        ("fd_fdstat_get", [0, 0, 0, EBADF, EBADF]),
        ("fd_close", [0, 0, 0, EBADF, EBADF]),
    ],
)
def test_three_descriptors_exist_and_no_files(name, errnos):
    program = Program()
    parameters = PREVIEW1[name]
    for descriptor in (0, 1, 2, 3, -1):
        program.wasi(name, parameters, descriptor, *[8] * (len(parameters) - 1))
    assert run(program).results == errnos


NO_FILES = [name for name in PREVIEW1 if name.startswith(("path_", "fd_filestat_set_", "fd_fdstat_set_"))]
NO_FILES += ["fd_readdir", "fd_allocate", "fd_advise", "fd_sync", "fd_datasync", "fd_renumber", "fd_prestat_get"]


@pytest.mark.parametrize(
    ("name", "errnos"),
    [
        *((name, [EBADF] * 5) for name in NO_FILES),
        *((f"sock_{name}", [57, 57, 57, EBADF, EBADF]) for name in ("accept", "recv", "send", "shutdown")),
        ("fd_filestat_get", [0, 0, 0, EBADF, EBADF]),
        ("fd_read", [0, EBADF, EBADF, EBADF, EBADF]),
    ],
)
def test_whatever_wants_a_file_or_a_socket_finds_none(name, errnos):
    program, parameters = Program(), PREVIEW1[name]
    for descriptor in (0, 1, 2, 3, -1):
        program.wasi(name, parameters, descriptor, *[8] * (len(parameters) - 1))
    assert run(program).results == errnos


@pytest.mark.parametrize(("descriptor", "rights"), [(0, 0x02), (1, 0x40), (2, 0x40)])
def test_what_is_said_of_a_descriptor_is_all_of_its_bytes_and_no_more(descriptor, rights):
    program = Program()
    stat, status = program.buffer(32), program.buffer(72)
    for at, size in ((stat, 32), (status, 72)):
        program.raw(f"(memory.fill (i32.const {at}) (i32.const 255) (i32.const {size}))")
    program.wasi("fd_fdstat_get", "ii", descriptor, stat)
    program.wasi("fd_filestat_get", "ii", descriptor, status)
    reply = run(program)
    told = reply.buffer(stat, 32)
    kind, flags, base, inheriting = struct.unpack("<BxHxxxxQQ", told[:24])
    assert (kind, flags, base, inheriting) == (2, 0, rights, 0)
    assert told[24:] == b"\xff" * 8
    assert reply.buffer(status, 72) == bytes(64) + b"\xff" * 8


@pytest.mark.parametrize("clock", [0, 1])
def test_every_clock_that_there_is_tells_nanoseconds(clock):
    program = Program()
    at = program.buffer(8)
    program.wasi("clock_res_get", "ii", clock, at)
    assert int.from_bytes(run(program).buffer(at, 8), "little") == 1


def test_there_is_no_environment_and_its_place_stays_as_it_was():
    program = Program()
    sizes, place = program.buffer(12), program.buffer(16)
    for at, size in ((sizes, 12), (place, 16)):
        program.raw(f"(memory.fill (i32.const {at}) (i32.const 255) (i32.const {size}))")
    program.wasi("environ_sizes_get", "ii", sizes, sizes + 4)
    program.wasi("environ_get", "ii", place, place + 8)
    reply = run(program)
    assert reply.results == [0, 0]
    assert (reply.buffer(sizes, 12), reply.buffer(place, 16)) == (bytes(8) + b"\xff" * 4, b"\xff" * 16)


def test_a_closed_descriptor_stays_closed():
    program = Program()
    vectors, _ = program.put(struct.pack("<II", 8, 4))
    out = program.buffer(32)
    for name, arguments in [
        ("fd_write", (1, vectors, 1, out)),
        ("fd_close", (1,)),
        ("fd_close", (1,)),
        ("fd_write", (1, vectors, 1, out)),
        ("fd_fdstat_get", (1, out)),
        ("fd_seek", (1, 0, 0, out)),
        ("fd_write", (2, vectors, 1, out)),
    ]:
        program.wasi(name, PREVIEW1[name], *arguments)
    assert run(program).results == [0, 0, EBADF, EBADF, EBADF, EBADF, 0]


def test_the_monotonic_clock_starts_at_one_and_never_goes_back():
    program = Program()
    moments = [program.buffer(8) for _ in range(3)]
    for at in moments:
        program.wasi("clock_time_get", "iqi", 1, 0, at)
    reply = run(program)
    first, second, third = (int.from_bytes(reply.buffer(at, 8), "little") for at in moments)
    assert first == 1
    assert first <= second <= third


def test_entropy_differs_and_fills_exactly_its_place():
    program = Program()
    one_, two = program.buffer(40), program.buffer(40)
    program.wasi("random_get", "ii", one_, 32)
    program.wasi("random_get", "ii", two, 32)
    reply = run(program)
    first, second = reply.buffer(one_, 40), reply.buffer(two, 40)
    assert first[:32] != second[:32]
    assert any(first[:32])
    assert first[32:] == second[32:] == bytes(8)


def test_memory_begins_at_address_zero():
    assert one("random_get", 0, 4) == 0
    assert one("clock_time_get", 0, 0, 0) == 0


def test_entropy_for_all_of_memory_does_not_stop_the_guest():
    assert one("random_get", END - 1024, 1024) == 0


def subscription(userdata, tag, *, timeout=0, flags=0):
    return struct.pack("<QB7xI4xQQH6x", userdata, tag, 1, timeout, 0, flags)


def test_a_poll_reports_on_each_subscription():
    wanted = [
        subscription(1, 0, timeout=1000),
        subscription(2, 0, flags=1),
        subscription(3, 1),
        subscription(4, 2),
        subscription(5, 77),
    ]
    program = Program()
    place, _ = program.put(b"".join(wanted))
    events, count = program.buffer(5 * 32), program.buffer(4)
    program.wasi("poll_oneoff", "iiii", place, events, 5, count)
    reply = run(program)
    got = [struct.unpack_from("<QHB", reply.buffer(events, 160), 32 * at) for at in range(5)]
    assert reply.results == [0]
    assert int.from_bytes(reply.buffer(count, 4), "little") == 5
    assert got == [(1, 0, 0), (2, ENOTSUP, 0), (3, EBADF, 1), (4, EBADF, 2), (5, EINVAL, 77)]


@pytest.mark.parametrize("timeout", [(1 << 64) - 1, 1 << 63, 10**18], ids=["all ones", "sign bit", "thirty years"])
def test_a_sleep_longer_than_the_run_ends_with_it(timeout):
    program = Program()
    place, _ = program.put(subscription(1, 0, timeout=timeout))
    program.wasi("poll_oneoff", "iiii", place, program.buffer(32), 1, program.buffer(4))
    program.raw("(loop (br 0))")
    with pytest.raises(TimedOut, match="context deadline exceeded"):
        run(program, PretendedHost(timeout_ms=60))


def between_two_readings(program, poll):
    """How far the guest's clock moves around one call of ``poll_oneoff``, without the step of the first reading."""
    moments = [program.buffer(8) for _ in range(2)]
    program.wasi("clock_time_get", "iqi", 1, 0, moments[0])
    call = program.wasi("poll_oneoff", "iiii", *poll)
    program.wasi("clock_time_get", "iqi", 1, 0, moments[1])
    reply = run(program)
    first, second = (int.from_bytes(reply.buffer(at, 8), "little") for at in moments)
    return second - first - STEP_NS, reply.results[call]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 1, 2), (1, 2, 3)])
def test_a_poll_sleeps_once_for_the_largest_of_its_timeouts(order):
    program = Program()
    wanted = [subscription(each, 0, timeout=each * 1_000) for each in order]
    place, _ = program.put(b"".join([*wanted, subscription(9, 0, timeout=10**18, flags=1)]))
    poll = (place, program.buffer(4 * 32), 4, program.buffer(4))
    assert between_two_readings(program, poll) == (3_000, 0)


@pytest.mark.parametrize(("events", "count"), [(END - 31, 1024), (1024, END - 3)], ids=["events", "count"])
def test_a_poll_that_cannot_report_does_not_sleep_first(events, count):
    program = Program()
    place, _ = program.put(subscription(1, 0, timeout=10**18))
    assert between_two_readings(program, (place, events, 1, count)) == (0, EFAULT)
