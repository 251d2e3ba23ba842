"""``Kv``: the key-values of a workspace, each with a type and a default.

A value that is absent, or that its type refuses, reads as a fresh default, so a program that reads its settings always
gets some; ``read`` tells the difference. Source: contracts/workspace-encryption.md 8.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from strongroom.errors import InvalidInput, LimitExceeded, NotFound
from strongroom.plugin.workspaces import KvDefinition
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.entry import Change
from strongroom.workspace.json_value import VALUE_BYTES_MAX, NotJson, json_text
from strongroom.workspace.reading import Present, Reading, Unreadable

__all__ = ["Kv", "KvChange", "KvDeleted", "KvSet"]

_log = logging.getLogger("strongroom.workspace")


@dataclass(frozen=True, slots=True)
class KvSet:
    """A key got a value that its type takes."""

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class KvDeleted:
    """A key has no value any more."""


KvChange = KvSet | KvDeleted


class _Refused(ValueError):
    """A stored value that its type does not take. Says nothing of the value."""


class Kv:
    """The keys that a definition names. Other keys of the array are left alone."""

    def __init__(self, definitions: Iterable[KvDefinition], store: EncryptedStore) -> None:
        """Raises ``InvalidInput`` for a type that pydantic cannot check."""
        self._definitions = {each.key: each for each in definitions}
        self._types = {key: _adapter(each) for key, each in self._definitions.items()}
        self._store = store

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are defined."""
        return tuple(self._definitions)

    def get(self, key: str) -> Any:  # Any: what the author's type of this key is
        """The value of ``key``; a fresh default where it is absent, unreadable, or refused by its type."""
        definition = self._definition(key)
        reading = self._store.read(key)
        if isinstance(reading, Unreadable):
            _log.warning('[kv] Stored value for "%s" is unreadable (%s); returning default', key, reading.reason)
        if isinstance(reading, Present):
            try:
                return self._checked(key, reading.value)
            except _Refused:
                _log.warning('[kv] Stored value for "%s" failed schema validation; returning default', key)
        return definition.default()

    def get_all(self) -> dict[str, Any]:  # Any: as in get
        """The value of every key that is defined."""
        return {key: self.get(key) for key in self._definitions}

    def read(self, key: str) -> Reading:
        """What is stored, without default: absent, present, or unreadable, which a refused value counts as."""
        self._definition(key)
        reading = self._store.read(key)
        if not isinstance(reading, Present):
            return reading
        try:
            return Present(self._checked(key, reading.value))
        except _Refused:
            return Unreadable("the value fails the check of its type", None)

    def set(self, key: str, value: object) -> None:
        """Store ``value``. Raises ``NotFound`` for a key that is not defined, ``InvalidInput`` for a value that its
        type refuses, ``LimitExceeded`` for one that is too big."""
        self._definition(key)
        try:
            stored = self._types[key].dump_python(self._taken(key, value), mode="json")
            size = len(json_text(stored))
            self._checked(key, stored)
        except (NotJson, _Refused) as error:
            raise InvalidInput(
                "SR-WS-063",
                f"the value of key {key} does not fit its type",
                why=str(error) if isinstance(error, NotJson) else "",
                fix="correct the value; nothing was written",
                field=key,
            ) from None
        if size > VALUE_BYTES_MAX:
            raise LimitExceeded(
                "SR-WS-064",
                f"the value of key {key} has {size} bytes as JSON and may have {VALUE_BYTES_MAX}",
                fix="keep large things elsewhere and a reference to them here",
                size=size,
                limit=VALUE_BYTES_MAX,
            )
        self._store.set(key, stored)

    def delete(self, key: str) -> None:
        """Remove the value, so that the default counts again. Nothing happens where there is none."""
        self._definition(key)
        self._store.delete(key)

    def observe(self, key: str, callback: Callable[[KvChange, object], None]) -> Callable[[], None]:
        """Call ``callback(change, origin)`` when ``key`` changed; not for a value that its type refuses."""
        self._definition(key)

        def handler(changes: Mapping[str, KvChange], origin: object) -> None:
            if key in changes:
                callback(changes[key], origin)

        return self.observe_all(handler)

    def observe_all(self, callback: Callable[[Mapping[str, KvChange], object], None]) -> Callable[[], None]:
        """Call ``callback(changes by key, origin)`` once for each transaction, without the keys that are not defined
        and the values that their types refuse; not at all where nothing is left. Returns a disposer."""

        def handler(changes: Mapping[str, Change], origin: object) -> None:
            known: dict[str, KvChange] = {}
            for key, change in changes.items():
                if key not in self._definitions:
                    continue
                if change.action == "delete":
                    known[key] = KvDeleted()
                    continue
                try:
                    known[key] = KvSet(self._checked(key, change.new_value))
                except _Refused:
                    continue
            if known:
                callback(known, origin)

        return self._store.observe(handler)

    def _checked_text(self, key: str, text: str) -> Any:  # Any: as in get
        try:
            return self._types[key].validate_json(text, strict=True)
        except ValidationError:
            raise _Refused from None
        except Exception as error:  # the author's validators: what they raise is no reason to lose the default
            _log.warning("[kv] The check of %s raised %s", key, type(error).__name__)
            raise _Refused from None

    def _taken(self, key: str, value: object) -> object:
        """``value`` as the type of ``key`` has it: from JSON, or an object of Python that is of the type already."""
        try:
            text = json_text(value)
        except NotJson:
            try:
                return self._types[key].validate_python(value, strict=True)
            except ValidationError:
                raise _Refused from None
        return self._checked_text(key, text)

    def _checked(self, key: str, stored: object) -> Any:  # Any: as in get
        try:
            return self._checked_text(key, json_text(stored))
        except NotJson:
            raise _Refused from None

    def _definition(self, key: str) -> KvDefinition:
        try:
            return self._definitions[key]
        except KeyError:
            raise NotFound(
                "SR-WS-062",
                "the workspace defines no such key",
                fix="use one of: " + (", ".join(self._definitions) or "(none)"),
                field="key",
            ) from None


def _adapter(definition: KvDefinition) -> TypeAdapter[Any]:  # Any: the author's type
    try:
        return TypeAdapter(definition.type)
    except PydanticSchemaGenerationError:
        raise InvalidInput(
            "SR-WS-065",
            f"key {definition.key} has a type that cannot be checked",
            fix="use a pydantic model, or plain types that JSON can carry",
            field=definition.key,
        ) from None
