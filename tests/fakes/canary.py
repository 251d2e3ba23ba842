"""A secret that is nowhere else, and what it looks like in bytes and files, whoever wrote them."""

import base64
import os
import secrets
import string
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LETTERS = string.ascii_letters + string.digits
LENGTH = 20
ENCODED_BYTES_MAX = 4 * LENGTH
"""The longest encoding, which is UTF-32."""


@dataclass(frozen=True)
class Canary:
    """Letters and digits, so that quoting and percent-encoding leave them as they are."""

    text: str

    @classmethod
    def new(cls):
        return cls("".join(secrets.choice(LETTERS) for _ in range(LENGTH)))

    @property
    def plain(self):
        return self.text.encode()

    @cached_property
    def needles(self):
        """Name and bytes of each encoding that can be looked for as it is. Wide characters are another matter."""
        base64s = {f"base64 at {place}": _base64_at(self.plain, place) for place in range(3)}
        return {
            "plain": self.plain,
            "hex": self.plain.hex().encode(),
            "upper hex": self.plain.hex().upper().encode(),
            **base64s,
            **{
                f"url-safe {name}": _url_safe(needle) for name, needle in base64s.items() if _url_safe(needle) != needle
            },
        }

    def found_in(self, data):
        """The names of the encodings that are in these bytes."""
        found = [name for name, needle in self.needles.items() if needle in data]
        if self.plain not in data and self.plain in data.translate(None, b"\0"):
            found.append("utf-16 or utf-32")
        return found

    def found_below(self, directory):
        """Where it is in files and their names: ``path: encoding``. A file that went away meanwhile is no file."""
        found = []
        for path in files_below(directory):
            with suppress(FileNotFoundError):
                found += [f"{path}: {how}" for how in self.found_in(path.read_bytes() + b"\xff" + os.fsencode(path))]
        return found


def _base64_at(data, place):
    """What stays the same of ``data`` in base64, when it begins ``place`` bytes after a multiple of three."""
    whole = base64.b64encode(bytes(place) + data)
    return whole[-(-place * 8 // 6) : (place + len(data)) * 8 // 6]


def _url_safe(encoded):
    return encoded.translate(bytes.maketrans(b"+/", b"-_"))


def files_below(directory):
    """Every regular file, none through a link."""
    for folder, _, names in os.walk(directory):
        for path in (Path(folder) / name for name in names):
            if path.is_file() and not path.is_symlink():
                yield path
