"""The bundle of ``strongroom doctor``: what somebody who helps needs to see, and nothing that is anybody's secret.

Rule 1: what goes in is a list that is written here, not what happens to lie somewhere. No payload, no key, no database,
no log, no config of a plugin.
Rule 2: everything goes through one redaction on its way in.
"""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from strongroom.telemetry.redaction import MASK, Redaction, is_sensitive

__all__ = ["Part", "packages", "packed"]

FIXED_TIME: Final = 0
NAME: Final = "strongroom-doctor"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle: its name, what it holds in words, and its document."""

    name: str
    what: str
    document: Any  # Any: JSON


def packages() -> Mapping[str, str]:
    """Every distribution of this installation with its version."""
    found = {each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def packed(parts: Sequence[Part]) -> bytes:
    """The parts as a compressed tar file, their list first."""
    redaction = Redaction()
    listed = [Part("contents.json", "this list", {part.name: part.what for part in parts})]
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for part in [*listed, *parts]:
            raw = (json.dumps(_clean(part.document, redaction), indent=2, sort_keys=True) + "\n").encode()
            entry = tarfile.TarInfo(f"{NAME}/{part.name}")
            entry.size, entry.mode, entry.mtime = len(raw), 0o600, FIXED_TIME
            archive.addfile(entry, io.BytesIO(raw))
    return target.getvalue()


def _clean(value: Any, redaction: Redaction) -> Any:  # Any: JSON
    if isinstance(value, str):
        return redaction.text(value)
    if isinstance(value, Mapping):
        shown = redaction.fields({str(name): each for name, each in value.items() if not _is_plain(each)})
        plain = {
            redaction.text(str(name)): MASK if is_sensitive(str(name)) else _clean(each, redaction)
            for name, each in value.items()
            if _is_plain(each)
        }
        return {**shown, **plain}
    if isinstance(value, list | tuple):
        return [_clean(each, redaction) for each in value]
    return value


def _is_plain(value: Any) -> bool:  # Any: JSON
    return isinstance(value, Mapping | list | tuple)
