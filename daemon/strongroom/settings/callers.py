"""The callers' file: who may call besides those who may open a socket, and what they may do for whom.

    callers:
      - name: ci
        token_sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
        expires: 2027-06-30
        grants:
          - roles: [read, run]
            owners: ["0x00000000000000000000000000000000000000a1"]
      - name: auditor
        certificate: auditor.example.org
        grants:
          - roles: [read, decrypt]
            owners: "*"

It is read as strictly as the manifest, and must be as private as a key: whoever may write it may do everything.

A file that was cut, by a full disk or a copy that broke off, gives nobody more than the whole one: its last line must
have an end, and ``expires`` stands before ``grants``, so that who has grants has the end that was written for them.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from strongroom.settings.refusals import missing_key, unknown_key, wrong_value
from strongroom.settings.roles import EVERY_OWNER, Grant, Role
from strongroom.settings.yaml_file import Document, read_document

__all__ = ["CALLERS_MAX", "NAME", "RESERVED", "CallerEntry", "load_callers"]

CALLERS_MAX: Final = 1_000
"""Each call with a token compares its digest with all of them; this many take a fifth of a millisecond."""
OWNERS_MAX: Final = 1_000
"""Owners of one grant; whoever needs more means all of them."""
GRANTS_MAX: Final = 32
OWNER_CHARS_MAX: Final = 256
TOP_KEYS: Final = ("callers",)
ENTRY_KEYS: Final = ("name", "token_sha256", "certificate", "expires", "grants")
GRANT_KEYS: Final = ("roles", "owners")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
CERTIFICATE_NAME: Final = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
ADDRESS: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{40})")
RESERVED: Final = ("socket", "admin-socket")
"""Names of those who come through a socket and show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerEntry:
    """One caller. Either ``token_sha256`` or ``certificate`` is set; ``ends_at`` is Unix seconds, 0 for never."""

    name: str
    token_sha256: bytes = b""
    certificate: str = ""
    ends_at: int = 0
    grants: tuple[Grant, ...]


def load_callers(path: Path) -> tuple[CallerEntry, ...]:
    """The callers in the order of the file. Raises ``Misconfigured`` with ``file:dotted.key``."""
    document = read_document(path, private=True, whole_lines=True)
    _known(document, "", document.data, TOP_KEYS)
    entries: list[CallerEntry] = []
    seen: dict[object, str] = {}
    for place, section in _listed(document, "callers", document.data.get("callers"), CALLERS_MAX):
        entry = _entry(document, place, section)
        for key, value in (
            ("name", entry.name),
            ("token_sha256", entry.token_sha256),
            ("certificate", entry.certificate.lower()),
        ):
            first = seen.setdefault((key, value), place) if value else place
            if first != place:
                raise wrong_value(document.where(f"{place}.{key}"), f"{first} has it already")
        entries.append(entry)
    return tuple(entries)


def _entry(document: Document, place: str, section: object) -> CallerEntry:
    values = _section(document, place, section, ENTRY_KEYS, "start it with `- name: …`")
    name = _text(document, f"{place}.name", values.get("name"), NAME, "use letters, digits and . _ -, at most 64")
    if not name:
        raise missing_key(document.where(f"{place}.name"), "every caller has a name, which stands in the audit log")
    if name in RESERVED:
        raise wrong_value(document.where(f"{place}.name"), "so are those called who come through a socket")
    digest = _text(
        document,
        f"{place}.token_sha256",
        values.get("token_sha256"),
        DIGEST,
        "write 64 lower-case hex digits in quotes; `strongroom callers token` makes a token and this line",
    )
    certificate = _text(
        document, f"{place}.certificate", values.get("certificate"), CERTIFICATE_NAME, "write a name of the certificate"
    )
    if bool(digest) == bool(certificate):
        raise wrong_value(
            document.where(place),
            "it has both token_sha256 and certificate" if digest else "it has neither token_sha256 nor certificate",
            fix="give exactly one of them; somebody who has both gets two entries",
        )
    if document.lines.get(f"{place}.expires", 0) > document.lines.get(f"{place}.grants", 0) > 0:
        raise wrong_value(
            document.where(f"{place}.expires"),
            "it stands after the grants, so a file that was cut before it would grant them for ever",
            fix="move `expires:` above `grants:`",
        )
    grants = tuple(
        _grant(document, where, each)
        for where, each in _listed(document, f"{place}.grants", values.get("grants"), GRANTS_MAX)
    )
    return CallerEntry(
        name=name,
        token_sha256=bytes.fromhex(digest),
        certificate=certificate,
        ends_at=_end(document, f"{place}.expires", values["expires"]) if "expires" in values else 0,
        grants=grants,
    )


def _grant(document: Document, place: str, section: object) -> Grant:
    values = _section(document, place, section, GRANT_KEYS, "write `roles:` and `owners:`")
    roles = _texts(document, f"{place}.roles", values.get("roles"), len(Role))
    for index, role in enumerate(roles):
        if role not in set(Role):
            fix = f"the roles are {', '.join(Role)}"
            raise wrong_value(document.where(f"{place}.roles[{index}]"), "it is not a role", fix=fix)
    untrusted = values.get("owners")
    if untrusted == EVERY_OWNER:
        return Grant(frozenset(map(Role, roles)))
    owners = _texts(document, f"{place}.owners", untrusted, OWNERS_MAX)
    if EVERY_OWNER in owners:
        raise wrong_value(
            document.where(f"{place}.owners"), "a star stands among owners", fix='write `owners: "*"` for all of them'
        )
    return Grant(frozenset(map(Role, roles)), frozenset(map(_owner, owners)))


def _owner(text: str) -> str:
    """An address as 40 lower-case digits. Owners of workspaces have names of any form."""
    address = ADDRESS.fullmatch(text)
    return address[1].lower() if address else text


def _end(document: Document, place: str, value: object) -> int:
    """The first second in which it is over: that after the day, or the time that is named. Nothing is not never."""
    if isinstance(value, str):
        for pattern, longer in (("%Y-%m-%d", timedelta(days=1)), ("%Y-%m-%dT%H:%M:%SZ", timedelta())):
            try:
                # 0 is never, and whoever writes the first second of 1970 does not mean that.
                return max(int((datetime.strptime(value, pattern).replace(tzinfo=UTC) + longer).timestamp()), 1)
            except (ValueError, OverflowError):
                continue
    raise wrong_value(
        document.where(place), "it is neither a day nor a time", fix="write 2027-06-30 or 2027-06-30T12:00:00Z, in UTC"
    )


def _section(document: Document, place: str, section: object, keys: Collection[str], fix: str) -> Mapping[str, object]:
    if not isinstance(section, dict):
        raise wrong_value(document.where(place), "it must be a mapping", fix=fix)
    _known(document, place, section, keys)
    return section


def _known(document: Document, place: str, section: Mapping[str, object], keys: Collection[str]) -> None:
    for key in section:
        if key not in keys:
            raise unknown_key(document.where(f"{place}.{key}" if place else key), keys)


def _listed(document: Document, place: str, value: object, items_max: int) -> Iterable[tuple[str, object]]:
    if not isinstance(value, list):
        raise wrong_value(document.where(place), "it must be a list", fix="write `[]` for none")
    if len(value) > items_max:
        raise wrong_value(document.where(place), f"it has {len(value)} entries, the limit is {items_max}")
    return ((f"{place}[{index}]", item) for index, item in enumerate(value))


def _text(document: Document, place: str, value: object, pattern: re.Pattern[str], fix: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise wrong_value(document.where(place), "it is not written the way it must be", fix=fix)
    return value


def _texts(document: Document, place: str, value: object, items_max: int) -> list[str]:
    found: list[str] = []
    for where, item in _listed(document, place, value, items_max):
        if not isinstance(item, str) or not 0 < len(item) <= OWNER_CHARS_MAX or not item.isprintable():
            fix = "write text that can be printed, in quotes"
            raise wrong_value(document.where(where), "it is no text of 1 to 256 characters", fix=fix)
        found.append(item)
    return found
