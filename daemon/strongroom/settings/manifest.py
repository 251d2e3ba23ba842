"""The manifest ``plugins.yaml``: which plugins this host loads, and what each of them may do.

Installed does not mean trusted: a plugin that is not named here is never imported. The manifest is read strictly,
because a misspelt ``required`` or ``provides`` would otherwise loosen what the operator meant to tighten.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from strongroom.settings.refusals import duplicate_key, missing_key, unknown_key, wrong_value
from strongroom.settings.yaml_file import Document, read_document

__all__ = [
    "KEY_OFFER_PREFIX",
    "MANIFEST_VERSION",
    "MOUNT_OFFER_PREFIX",
    "PLUGINS_MAX",
    "Pin",
    "PluginEntry",
    "load_manifest",
]

MANIFEST_VERSION: Final = 1
# Each plugin is a process or a class with its threads; more than this on one host is a mistake in a template.
PLUGINS_MAX: Final = 100
NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
FACTORY_PATTERN: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
# capability-wire section 2, with the 128 characters that it allows.
ID_PATTERN: Final = re.compile(
    r"(?=.{1,128}\Z)[a-zA-Z0-9_\-:]+@(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
MOUNT_OFFER_PREFIX: Final = "mount:"
MOUNT_OFFER_PATTERN: Final = re.compile(r"mount:[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
KEY_OFFER_PREFIX: Final = "key-provider:"
KEY_OFFER_PATTERN: Final = re.compile(r"key-provider:[a-z0-9][a-z0-9-]{0,63}")
SHA256_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
TOP_KEYS: Final = ("version", "pins", "plugins")
ENTRY_KEYS: Final = (
    "name",
    "enabled",
    "required",
    "factory",
    "command",
    "config",
    "provides",
    "dialect",
    "at_most_once",
    "pin",
)
PIN_KEYS: Final = ("distribution", "version", "record_sha256", "command_sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What the code of a plugin must be, checked before it is imported or started. Empty means not given; one that is
    all empty, and false, fits nothing: that of an entry without a pin where the manifest requires pins."""

    distribution: str = ""
    version: str = ""
    record_sha256: str = ""
    command_sha256: str = ""

    def __bool__(self) -> bool:
        return any((self.distribution, self.version, self.record_sha256, self.command_sha256))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """One plugin of the manifest. Exactly one of ``factory`` and ``command`` is set; ``where`` is for errors."""

    name: str
    enabled: bool = True
    required: bool = False
    factory: str | None = None
    command: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(repr=False)  # Any: the section belongs to the plugin, which checks it
    provides: tuple[str, ...] = ()
    dialect: str | None = None
    at_most_once: tuple[str, ...] = ()
    pin: Pin | None = None
    where: str = ""

    @property
    def is_key_provider(self) -> bool:
        """Whether it is asked for root secrets, and for nothing else."""
        return any(offer.startswith(KEY_OFFER_PREFIX) for offer in self.provides)


def load_manifest(path: Path) -> tuple[PluginEntry, ...]:
    """The plugins in the order of the file, disabled ones too. Raises ``Misconfigured`` with ``file:dotted.key``."""
    document = read_document(path)
    _known(document, "", document.data, TOP_KEYS)
    if "version" not in document.data:
        raise missing_key(document.where("version"), "a manifest says how it is to be read", fix="write `version: 1`")
    version = document.data["version"]
    if type(version) is not int or version != MANIFEST_VERSION:
        raise wrong_value(document.where("version"), f"this host reads version {MANIFEST_VERSION} only")
    must_be_pinned = _requires_pins(document)
    listed = document.data.get("plugins")
    if not isinstance(listed, list):
        raise wrong_value(document.where("plugins"), "it must be a list", fix="write `plugins: []` for none")
    if len(listed) > PLUGINS_MAX:
        raise wrong_value(document.where("plugins"), f"it has {len(listed)} entries, the limit is {PLUGINS_MAX}")
    entries: list[PluginEntry] = []
    places: dict[str, str] = {}
    for index, section in enumerate(listed):
        place = f"plugins[{index}]"
        entry = _entry(document, place, section)
        if must_be_pinned and entry.pin is None:
            entry = replace(entry, pin=Pin())
        if entry.name in places:
            raise duplicate_key(
                document.where(f"{place}.name"),
                line=document.lines[f"{place}.name"],
                first_line=document.lines[f"{places[entry.name]}.name"],
            )
        places[entry.name] = place
        entries.append(entry)
    return tuple(entries)


def _requires_pins(document: Document) -> bool:
    if "pins" not in document.data:
        return False
    if document.data["pins"] != "required":
        raise wrong_value(
            document.where("pins"), "it can be `required` only", fix="leave it out where plugins may have no pin"
        )
    return True


def _entry(document: Document, place: str, section: object) -> PluginEntry:
    if not isinstance(section, dict):
        raise wrong_value(document.where(place), "a plugin is a mapping", fix="start it with `- name: …`")
    _known(document, place, section, ENTRY_KEYS)
    if "name" not in section:
        raise missing_key(document.where(f"{place}.name"), "every plugin has a name")
    factory = _text(document, f"{place}.factory", section.get("factory"), FACTORY_PATTERN, "write package.module:Class")
    command = _texts(document, f"{place}.command", section.get("command"))
    if (factory is None) == (command is None):
        raise wrong_value(
            document.where(place),
            "it has both factory and command" if factory else "it has neither factory nor command",
            fix="give exactly one of `factory: package.module:Class` and `command: [program, argument]`",
        )
    if command is not None and not command:
        raise wrong_value(document.where(f"{place}.command"), "it is empty", fix="its first word is the program")
    config = section.get("config")
    if not isinstance(config, dict | None):
        raise wrong_value(document.where(f"{place}.config"), "it must be a mapping")
    name = _text(document, f"{place}.name", section["name"], NAME_PATTERN, "use a-z, 0-9 and -, at most 64 characters")
    if name is None:
        raise wrong_value(document.where(f"{place}.name"), "it is empty")
    entry = PluginEntry(
        name=name,
        enabled=_flag(document, f"{place}.enabled", section.get("enabled", True)),
        required=_flag(document, f"{place}.required", section.get("required", False)),
        factory=factory,
        command=command,
        config=config or {},
        provides=_provides(document, f"{place}.provides", section.get("provides"), in_process=factory is not None),
        dialect=_text(document, f"{place}.dialect", section.get("dialect"), NAME_PATTERN, "it is one word"),
        at_most_once=_ids(document, f"{place}.at_most_once", section.get("at_most_once")),
        pin=_pin(document, f"{place}.pin", section.get("pin"), in_process=factory is not None),
        where=document.where(place),
    )
    if entry.is_key_provider:
        _check_key_provider(document, place, entry)
    return entry


def _check_key_provider(document: Document, place: str, entry: PluginEntry) -> None:
    """Nothing of the host starts without its keys, so their provider is nothing that may be left out."""
    if not all(offer.startswith(KEY_OFFER_PREFIX) for offer in entry.provides):
        raise wrong_value(
            document.where(f"{place}.provides"), "a key provider offers nothing else", fix="list it as a plugin alone"
        )
    if entry.enabled and not entry.required:
        raise wrong_value(
            document.where(f"{place}.required"),
            "a key provider is required",
            fix="write `required: true`; a host does not start without its keys",
        )


def _pin(document: Document, place: str, section: object, *, in_process: bool) -> Pin | None:
    if section is None:
        return None
    if not isinstance(section, dict):
        raise wrong_value(document.where(place), "a pin is a mapping")
    _known(document, place, section, PIN_KEYS)
    anything = re.compile(r"\S{1,200}")
    found = {
        key: _text(
            document,
            f"{place}.{key}",
            section.get(key),
            SHA256_PATTERN if key.endswith("sha256") else anything,
            "write 64 lower-case hex digits in quotes" if key.endswith("sha256") else "write it in quotes",
        )
        or ""
        for key in PIN_KEYS
    }
    pin = Pin(**found)
    given = [key for key in PIN_KEYS if found[key]]
    if pin.command_sha256 and len(given) > 1:
        raise wrong_value(
            document.where(place), "it pins both a program and a distribution", fix="pin the one that is started"
        )
    if in_process and pin.command_sha256:
        raise wrong_value(document.where(f"{place}.command_sha256"), "a factory has no command")
    if not pin.command_sha256 and not (pin.distribution and pin.version and pin.record_sha256):
        raise wrong_value(
            document.where(place),
            "it pins nothing that can be checked",
            fix="give distribution, version and record_sha256 together, or command_sha256",
        )
    return pin


def _known(document: Document, place: str, section: Mapping[str, object], keys: Collection[str]) -> None:
    for key in section:
        if key not in keys:
            raise unknown_key(document.where(f"{place}.{key}" if place else key), keys)


def _flag(document: Document, place: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong_value(document.where(place), "it must be true or false")
    return value


def _text(document: Document, place: str, value: object, pattern: re.Pattern[str], fix: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_value(document.where(place), "it must be text", fix=fix)
    if not pattern.fullmatch(value):
        raise wrong_value(document.where(place), "it is not written the way it must be", fix=fix)
    return value


def _texts(document: Document, place: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise wrong_value(document.where(place), "it must be a list", fix="write [one, two]")
    for index, item in enumerate(value):
        if not isinstance(item, str) or not item or "\0" in item:
            raise wrong_value(document.where(f"{place}[{index}]"), "it must be text that is not empty")
    return tuple(value)


def _ids(document: Document, place: str, value: object) -> tuple[str, ...]:
    ids = _texts(document, place, value) or ()
    _check_ids(document, place, ids, ids)
    return ids


def _provides(document: Document, place: str, value: object, *, in_process: bool) -> tuple[str, ...]:
    """Ids of capabilities, and ``mount:NAME`` and ``key-provider:NAME`` for a plugin in this process."""
    offers = _texts(document, place, value) or ()
    for index, offer in enumerate(offers):
        if MOUNT_OFFER_PATTERN.fullmatch(offer) and not in_process:
            raise wrong_value(
                document.where(f"{place}[{index}]"), "a process provides no mounts", fix="load it with `factory:`"
            )
        if KEY_OFFER_PATTERN.fullmatch(offer) and not in_process:
            raise wrong_value(
                document.where(f"{place}[{index}]"), "a process provides no keys", fix="load it with `factory:`"
            )
    others = (MOUNT_OFFER_PATTERN, KEY_OFFER_PATTERN)
    ids = [offer for offer in offers if not any(pattern.fullmatch(offer) for pattern in others)]
    _check_ids(document, place, offers, ids)
    return offers


def _check_ids(document: Document, place: str, listed: Sequence[str], ids: Collection[str]) -> None:
    for index, item in enumerate(listed):
        if item in ids and not ID_PATTERN.fullmatch(item):
            raise wrong_value(
                document.where(f"{place}[{index}]"), "it is not a capability id", fix="write name@1.2.3, 128 characters"
            )
        if item in listed[:index]:
            raise wrong_value(document.where(f"{place}[{index}]"), "it stands in the list already")
