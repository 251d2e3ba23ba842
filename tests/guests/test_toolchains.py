"""What modules of the public toolchains import and export is admitted and runs, in the same forms and sizes.

Source: contracts/cre-guest.md sections 4, 5, 10 and 21.
"""

import brotli
import pytest
import wasmtime

from strongroom.errors import InvalidInput
from strongroom.guest.binary import decode_upload
from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.program import ENV, WORDS
from tests.guest.test_wasi import PREVIEW1
from tests.guests.bare import compiled
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, trigger
from tests.guests.large import large_module
from tests.guests.standard import EVENT

# Module -> functions, as section 21 lists them; the first form of call_capability is ``ii``.
FILES = (
    "close fdstat_get fdstat_set_flags filestat_get filestat_set_size pread prestat_get prestat_dir_name pwrite read "
    "readdir seek sync write"
)
COMMON = ["args_get", "args_sizes_get", "proc_exit", "clock_time_get", "environ_get", "environ_sizes_get", "random_get"]
GO_WASI = [
    *COMMON, *(f"fd_{name}" for name in FILES.split()), "path_filestat_get", "path_open", "poll_oneoff", "sched_yield",
    "sock_accept", "sock_shutdown",
]  # fmt: skip
JAVY_WASI = [
    *COMMON, "fd_close", "fd_fdstat_get", "fd_prestat_get", "fd_prestat_dir_name", "fd_read", "fd_seek", "fd_write",
    "poll_oneoff",
]  # fmt: skip
SDK_ENV = [name for name in ENV if name != "emit_metric"]
TYPES = {**PREVIEW1, "sched_yield": ""}
JAVY_EXPORTS = """
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "main") (param i32 i32) (result i32) (i32.const 0))
"""


def text(*, marker, env, wasi, form=1, exports=""):
    """A module that imports all of ``env`` and ``wasi``, calls what cannot hurt, and answers ``all``."""
    lines = [f'(import "env" "{marker}" (func $marker))']
    calls = ["(call $marker)"]
    for name in env:
        parameters, result = ("ii", "q") if name == "call_capability" and form == 1 else ENV[name]
        lines.append(_import("env", name, parameters, result))
    for name in wasi:
        result = "" if name == "proc_exit" else "i"
        lines.append(_import("wasi_snapshot_preview1", name, TYPES[name], result))
        if name not in {"proc_exit", "poll_oneoff"}:
            arguments = " ".join(f"({WORDS[p]}.const 8)" for p in TYPES[name])
            calls.append(f"(drop (call ${name} {arguments}))")
    return f"""(module {" ".join(lines)}
      (memory (export "memory") 1) (data (i32.const 1024) "\\0a\\05\\0a\\03all")
      {exports}
      (func (export "_start") {" ".join(calls)}
        (drop (call $send_response (i32.const 1024) (i32.const 7)))))"""


def _import(module, name, parameters, result):
    types = " ".join(WORDS[p] for p in parameters)
    results = f"(result {WORDS[result]})" if result else ""
    return f'(import "{module}" "{name}" (func ${name} (param {types}) {results}))'


def answered(execute, module):
    return execute(module, EVENT, PretendedHost()).value.string_value


@pytest.mark.parametrize("form", [1, 2], ids=["first form", "second form"])
@pytest.mark.parametrize(
    ("marker", "env", "wasi", "exports"),
    [
        ("version_v2_go", SDK_ENV, GO_WASI, ""),
        ("version_v2_typescript", SDK_ENV, JAVY_WASI, JAVY_EXPORTS),
        ("version_v2", list(ENV), list(PREVIEW1), ""),
        ("version_v2", ["send_response"], [], ""),
    ],
    ids=["Go", "TypeScript", "everything", "next to nothing"],
)
def test_every_surface_is_admitted_and_runs(pool, in_a_runner, marker, env, wasi, exports, form):
    module = bytes(wasmtime.wat2wasm(text(marker=marker, env=env, wasi=wasi, form=form, exports=exports)))
    info = pool.compile(module).info
    assert info.sdk_label == marker
    assert info.call_form == (form if "call_capability" in env else 0)
    assert answered(in_a_runner, module) == "all"


def test_the_go_guest_imports_what_the_sdk_does(pool):
    for name, form in (("go", 1), ("go-v2", 2)):
        info = pool.compile(wasm(name)).info
        assert (info.sdk_label, info.call_form) == ("version_v2_go", form)
    imports = {(i.module, i.name) for i in compiled(wasm("go"))[1].imports}
    assert {name for module, name in imports if module == "env"} == {"version_v2_go", *SDK_ENV}
    assert {name for module, name in imports if module != "env"} <= set(GO_WASI)


def test_an_unknown_import_is_named(pool):
    with pytest.raises(InvalidInput) as caught:
        pool.compile(wasm("unknown-import"))
    assert 'unknown import "env" "open_the_door"' in str(caught.value)


@pytest.mark.parametrize("size", [2_400_000, 16_500_000])
def test_a_module_of_megabytes_is_admitted_cached_and_runs(make_pool, tmp_path, size):
    module = large_module(size)
    assert size <= len(module) < size + 100_000
    make_pool(tmp_path).compile(module)
    later = make_pool(tmp_path)
    assert answered(lambda *order: run(later, *order), module) == "large"


def test_a_go_guest_of_seventeen_megabytes_runs_from_its_brotli_upload(make_pool, tmp_path):
    padding = bytes(14_000_000)
    module = wasm("go") + b"\0" + _varint(len(padding) + 4) + b"\x03pad" + padding
    stored = decode_upload(brotli.compress(module, quality=1), GuestLimits())
    assert stored.wasm() == module
    make_pool(tmp_path).compile(module)
    event = trigger(sdk_pb2.ReportRequest(), config=b"a config")
    result = run(make_pool(tmp_path), module, event, PretendedHost())
    assert result.value.bytes_value == b"a config"


def run(pool, module, event, host):
    def compiled_before():
        raise AssertionError("the module was asked for although it is compiled")

    answer = pool.execute(
        owner="a",
        module_key=pool.key_of(module),
        wasm=compiled_before,
        request=event.SerializeToString(),
        helper=host,
    )
    return sdk_pb2.ExecutionResult.FromString(answer)


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
