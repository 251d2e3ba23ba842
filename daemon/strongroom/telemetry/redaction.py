"""The one place through which everything goes that the host says about itself.

Two nets, since each has holes: fields whose name says that they hold something secret are never shown, and values that
were registered as secret are cut out of whatever text they got into, also in hex and base64. Guest output is payload
and must never come here at all.
"""

import base64
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Final

__all__ = ["ENDED_MAX", "MASK", "UNSAFE", "Redaction", "is_sensitive", "printable"]

MASK: Final = "***"
# Shorter values would cut ordinary words to pieces, and a secret of three characters is none.
REGISTERED_CHARACTERS_MIN: Final = 4
# Each registered value is looked for in every line; a host registers its tokens and passwords, not users' data. Beyond
# it the one that was registered longest ago makes room: tokens end, and a new one is the one that is in use.
REGISTERED_MAX: Final = 1_000
# What a process said before it ended is told later: its token stays hidden while so many others end. Each that is kept
# costs every line.
ENDED_MAX: Final = 16
TEXT_CHARACTERS_MAX: Final = 8_000
SENSITIVE_WORDS: Final = frozenset(
    [
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "output",
        "passphrase",
        "passwd",
        "password",
        "payload",
        "plaintext",
        "private",
        "result",
        "secret",
        "secrets",
        "token",
        "tokens",
    ]
)
CREDENTIALS: Final = frozenset(["authorization", "cookie", "passphrase", "passwd", "password", "token"])
"""Of these the values are secret that stand in a configuration."""
# `payload_bytes=12` and `secret_name` say something about the thing, and are not the thing.
HARMLESS_ENDINGS: Final = frozenset(
    ["bytes", "count", "file", "id", "ids", "max", "min", "ms", "name", "names", "path", "sha256", "size", "version"]
)
# Control characters forge lines and colours; the last two groups are line ends and direction marks of Unicode.
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """``text`` on one line, with every character escaped that a terminal would obey instead of show."""
    return UNSAFE.sub(_escape, text)


class Redaction:
    """Knows what must not be shown. A process has one. ``repr`` shows only how much it knows. Safe for any thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._values: OrderedDict[bytes, frozenset[str]] = OrderedDict()
        self._ended: deque[bytes] = deque()
        self._pattern: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._values)} values>"

    def register(self, value: str | bytes) -> None:
        """Never show ``value`` from now on. Values that are too short to be told from words are left alone."""
        raw = _bytes_of(value)
        if len(raw) < REGISTERED_CHARACTERS_MIN:
            return
        with self._changing:
            if raw in self._ended:
                self._ended.remove(raw)
            if raw in self._values:
                self._values.move_to_end(raw)
                return
            self._values[raw] = _spellings(raw)
            if len(self._values) > REGISTERED_MAX:
                self._values.popitem(last=False)
            self._compile()

    def let_go(self, value: str | bytes) -> None:
        """``value`` opens nothing any more. It stays hidden until ``ENDED_MAX`` others have ended as well."""
        raw = _bytes_of(value)
        with self._changing:
            if raw not in self._values or raw in self._ended:
                return
            self._ended.append(raw)
            if len(self._ended) > ENDED_MAX:
                self._values.pop(self._ended.popleft(), None)
                self._compile()

    def register_section(self, section: object, name: str = "") -> None:
        """Register each text in ``section``, a value of a configuration under ``name``, that is a credential by its
        name, such as ``token``. Names of secrets, which stand in configurations too, are not secret themselves."""
        if isinstance(section, Mapping):
            for key, value in section.items():
                self.register_section(value, str(key))
        elif isinstance(section, list | tuple):
            for value in section:
                self.register_section(value, name)
        elif isinstance(section, str) and is_sensitive(name) and not CREDENTIALS.isdisjoint(_words(name)):
            self.register(section)

    def hidden(self, text: str) -> str:
        """``text`` without registered values, and otherwise as it is."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def text(self, text: str) -> str:
        """``text`` without registered values, without characters that could forge a line, and not too long."""
        text = self.hidden(text)
        if len(text) > TEXT_CHARACTERS_MAX:
            text = f"{text[:TEXT_CHARACTERS_MAX]}...({len(text)} characters)"
        return printable(text)

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """``fields`` with sensitive ones masked; bytes are told by their size only."""
        return {self.text(name): self._field(name, value) for name, value in fields.items()}

    def _compile(self) -> None:
        longest_first = sorted(set().union(*self._values.values()), key=len, reverse=True)
        text = "|".join(re.escape(item) for item in longest_first)
        self._pattern = re.compile(text, re.IGNORECASE) if text else None
        # The library keeps hundreds of patterns: here each holds all secrets, of which earlier ones have ended.
        re.purge()

    def _field(self, name: str, value: object) -> object:
        if is_sensitive(name):
            return MASK
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(value)} bytes>"
        if isinstance(value, Mapping):
            return self.fields({str(key): inner for key, inner in value.items()})
        if isinstance(value, list | tuple | set | frozenset):
            return [self._field(name, inner) for inner in value]
        return self.text(str(value))


def is_sensitive(name: str) -> bool:
    """Whether a field of that name holds something secret, and is not about it only."""
    words = _words(name)
    return not SENSITIVE_WORDS.isdisjoint(words) and words[-1] not in HARMLESS_ENDINGS


def _bytes_of(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


def _spellings(raw: bytes) -> frozenset[str]:
    """As text, in hex, and in both alphabets of base64."""
    texts = raw.decode("utf-8", "replace"), raw.hex(), base64.b64encode(raw).decode().rstrip("=")
    return frozenset({*texts, base64.urlsafe_b64encode(raw).decode().rstrip("=")})


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    short = {10: "\\n", 13: "\\r", 9: "\\t"}
    return short.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
