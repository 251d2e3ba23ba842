"""Small guests written as a list of calls: each makes its calls and answers with what came back.

The answer is a ``bytes_value`` whose bytes are the results, 8 each, and then the buffers, so a test sees the guest's
memory as the guest sees it.
"""

import struct
from dataclasses import dataclass

import wasmtime

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["Program", "Reply"]

ENV = {
    "send_response": ("ii", "i"),
    "call_capability": ("iiii", "q"),
    "await_capabilities": ("iiii", "q"),
    "get_secrets": ("iiii", "q"),
    "await_secrets": ("iiii", "q"),
    "log": ("ii", ""),
    "emit_metric": ("ii", "i"),
    "switch_modes": ("i", ""),
    "random_seed": ("i", "q"),
    "now": ("i", "i"),
}
WORDS = {"i": "i32", "q": "i64"}
REGION = 65536
REGION_BYTES = 16384
PAGES = 4
MEMORY_BYTES = PAGES * 65536


@dataclass
class Reply:
    """What a program answered."""

    results: list[int]
    memory: bytes

    def buffer(self, pointer, size):
        """Memory at ``pointer`` of the region."""
        return self.memory[pointer - REGION : pointer - REGION + size]

    def text(self, index, pointer):
        """The error text that call ``index`` left at ``pointer``."""
        assert self.results[index] < 0, self.results
        return self.buffer(pointer, -self.results[index]).decode()


class Program:
    """Builds a module. ``form`` is the form of ``call_capability``."""

    def __init__(self, *, form=2):
        self.form = form
        self._data = []
        self._at = 1024
        self._free = REGION + 1024  # the first 128 results come before
        self._imports = {}
        self._body = []
        self._results = []

    def put(self, data):
        """Constant bytes: (pointer, size)."""
        pointer = self._at
        self._data.append((pointer, bytes(data)))
        self._at += len(data) + 16
        assert self._at < REGION - 64
        return pointer, len(data)

    def message(self, message):
        """A serialized message: (pointer, size)."""
        return self.put(message.SerializeToString())

    def buffer(self, size):
        """Space in the region that the answer shows."""
        pointer = self._free
        self._free += size
        assert self._free <= REGION + REGION_BYTES
        return pointer

    def env(self, name, *arguments):
        """Call a function of ``env``; the index of its result."""
        parameters, result = ENV[name]
        if name == "call_capability" and self.form == 1:
            parameters = "ii"
        return self._call("env", name, parameters, result, arguments)

    def wasi(self, name, parameters, *arguments):
        """Call a function of WASI; the index of its result."""
        return self._call("wasi_snapshot_preview1", name, parameters, "i", arguments)

    def raw(self, text):
        """Instructions as they are."""
        self._body.append(text)

    def wasm(self):
        """The module."""
        lines = ['(import "env" "version_v2" (func))']
        imports = {("env", "send_response"): ("ii", "i"), **self._imports}
        for (module, name), (parameters, result) in imports.items():
            params = " ".join(WORDS[p] for p in parameters)
            results = f"(result {WORDS[result]})" if result else ""
            lines.append(f'(import "{module}" "{name}" (func ${name} (param {params}) {results}))')
        value = b"\x1a" + _varint(REGION_BYTES)
        header = b"\x0a" + _varint(len(value) + REGION_BYTES) + value
        start = REGION - len(header)
        lines.append(f'(memory (export "memory") {PAGES})')
        for pointer, data in [*self._data, (start, header)]:
            text = "".join(f"\\{byte:02x}" for byte in data)
            lines.append(f'(data (i32.const {pointer}) "{text}")')
        body = "\n".join(self._body)
        send = f"(drop (call $send_response (i32.const {start}) (i32.const {len(header) + REGION_BYTES})))"
        lines.append(f'(func (export "_start") {body} {send})')
        return bytes(wasmtime.wat2wasm(f"(module {' '.join(lines)})"))

    def reply(self, answer):
        """What came back, from a serialized ``ExecutionResult``."""
        memory = sdk_pb2.ExecutionResult.FromString(answer).value.bytes_value
        assert len(memory) == REGION_BYTES
        return Reply([struct.unpack_from("<q", memory, 8 * at)[0] for at in range(len(self._results))], memory)

    def _call(self, module, name, parameters, result, arguments):
        assert len(arguments) == len(parameters), name
        self._imports[module, name] = (parameters, result)
        given = " ".join(f"({WORDS[p]}.const {a})" for p, a in zip(parameters, arguments, strict=True))
        index = len(self._results)
        call = f"(call ${name} {given})"
        if result == "q":
            self._body.append(f"(i64.store (i32.const {REGION + 8 * index}) {call})")
        elif result:
            self._body.append(f"(i64.store (i32.const {REGION + 8 * index}) (i64.extend_i32_s {call}))")
        else:
            self._body.append(call)
        self._results.append(name)
        return index


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
