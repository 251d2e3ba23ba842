"""Modules of any size, made of functions that compile fast: a guest of many megabytes without building one."""

import random

__all__ = ["large_module", "wide_module"]

FUNCTION_STEPS = 40
DATA_SHARE = 0.35
"""As in what Go makes: a third of a module is data."""

ANSWER = b"\x0a\x07\x0a\x05large"
"""An ExecutionResult with the text ``large``."""


def large_module(size_bytes: int, *, seed: int = 1, answer: bytes = ANSWER) -> bytes:
    """A v2 guest of about ``size_bytes`` with the serialized ``answer`` to everything; each seed makes another one."""
    dice = random.Random(seed)  # noqa: S311 - the same seed must give the same module
    data_bytes = int(size_bytes * DATA_SHARE)
    bodies: list[bytes] = []
    left = size_bytes - data_bytes
    while left > 0:
        bodies.append(_function(dice))
        left -= len(bodies[-1])
    start = b"\x00\x41\x08\x41" + _signed(len(answer)) + b"\x10\x01\x1a\x0b"
    sections = {
        1: _vector([b"\x60\0\0", b"\x60\x02\x7f\x7f\x01\x7f", b"\x60\x01\x7f\x01\x7f"]),
        2: _vector([_name("env") + _name("version_v2") + b"\0\0", _name("env") + _name("send_response") + b"\0\x01"]),
        3: _vector([*[b"\x02"] * len(bodies), b"\0"]),
        5: b"\x01\0" + _unsigned(data_bytes // 65536 + 4),
        7: _vector([_name("memory") + b"\x02\0", _name("_start") + b"\0" + _unsigned(2 + len(bodies))]),
        10: _vector([*bodies, _unsigned(len(start)) + start]),
        11: _vector([_segment(8, answer), _segment(65536, dice.randbytes(data_bytes))]),
    }
    return b"\0asm\1\0\0\0" + b"".join(bytes([at]) + _sized(content) for at, content in sections.items())


def wide_module(globals_count: int, *, answer: bytes = ANSWER) -> bytes:
    """A v2 guest with so many globals, none of which it uses, and ``answer`` to everything."""
    start = b"\x00\x41\x08\x41" + _signed(len(answer)) + b"\x10\x01\x1a\x0b"
    sections = {
        1: _vector([b"\x60\0\0", b"\x60\x02\x7f\x7f\x01\x7f"]),
        2: _vector([_name("env") + _name("version_v2") + b"\0\0", _name("env") + _name("send_response") + b"\0\x01"]),
        3: _vector([b"\0"]),
        5: b"\x01\0\x01",
        6: _unsigned(globals_count) + b"\x7e\x01\x42\x00\x0b" * globals_count,
        7: _vector([_name("memory") + b"\x02\0", _name("_start") + b"\0\x02"]),
        10: _vector([_sized(start)]),
        11: _vector([_segment(8, answer)]),
    }
    return b"\0asm\1\0\0\0" + b"".join(bytes([at]) + _sized(content) for at, content in sections.items())


def _function(dice: random.Random) -> bytes:
    """(i32) -> i32: arithmetic and loads, so that the compiler has something to do and nothing to leave out."""
    code = bytearray()
    for _ in range(FUNCTION_STEPS):
        operation = dice.choice([0x6A, 0x6C, 0x73, 0x71, 0x72])
        code += b"\x20\x00\x41" + _signed(dice.randrange(1 << 28)) + bytes([operation])
        code += b"\x22\x01\x28\x02" + _unsigned(dice.randrange(1 << 14) * 4) + b"\x21\x00"
    body = b"\x01\x01\x7f" + bytes(code) + b"\x20\x00\x0b"
    return _sized(body)


def _segment(offset: int, content: bytes) -> bytes:
    return b"\0\x41" + _signed(offset) + b"\x0b" + _sized(content)


def _sized(content: bytes) -> bytes:
    return _unsigned(len(content)) + content


def _name(text: str) -> bytes:
    return _sized(text.encode())


def _vector(items: list[bytes]) -> bytes:
    return _unsigned(len(items)) + b"".join(items)


def _unsigned(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _signed(number: int) -> bytes:
    out = bytearray()
    while True:
        low, number = number & 127, number >> 7
        if (number == 0 and not low & 64) or (number == -1 and low & 64):
            return bytes([*out, low])
        out.append(low | 128)
