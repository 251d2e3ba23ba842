"""Stored rows to rows of a table and back: versions, validation, migration. Pure.

Rule 1: reading never raises for what is stored, whoever stored it; every way to be wrong is a ``RowError``.
Rule 2: what is written was checked, so that it reads back.
Rule 3: members that the latest schema does not know stay when a row of its version is updated: somebody wrote them.

The check is pydantic's for JSON in strict mode: a text is no number, while a date may be a text.
Source: contracts/workspace-encryption.md 8.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.plugin.workspaces import Migrate, TableDefinition
from strongroom.workspace.json_value import ENTRY_KEY_BYTES_MAX, VALUE_BYTES_MAX, NotJson, json_text
from strongroom.workspace.table_errors import (
    FieldError,
    MigrationFailed,
    RowError,
    UnknownVersion,
    ValidationFailed,
    shown_id,
)

__all__ = ["RowSchema", "check_entry_key", "field_errors"]

VERSION_MEMBER: Final = "_v"
FIELD_ERRORS_MAX: Final = 100
"""Places named of one row: a list with a million wrong items is wrong a million times."""
TOO_BIG: Final = "too_big"
PATH_CHARS_MAX: Final = 200
MESSAGE_CHARS_MAX: Final = 500


class RowSchema:
    """The schemas of one table, ready to use."""

    def __init__(self, definition: TableDefinition) -> None:
        """Raises ``InvalidInput`` when a schema is no pydantic model with a field ``id``."""
        self.name = definition.name
        self._migrate: Migrate = definition.migrate or _as_it_is
        self._versions: tuple[type[BaseModel], ...] = tuple(_model(definition, each) for each in definition.versions)
        self.latest = self._versions[-1]
        self._known = set(_members(self.latest)) | set(self.latest.model_fields)

    @property
    def version(self) -> int:
        """The number of the latest schema, which is written."""
        return len(self._versions)

    @property
    def members(self) -> tuple[str, ...]:
        """The names that a row of the latest schema has when it is stored, ``id`` first."""
        return tuple(sorted(_members(self.latest), key=lambda name: name != "id"))

    def read(self, row_id: str, stored: object) -> BaseModel | RowError:
        """The row as the latest schema has it, or why there is none."""
        if not isinstance(stored, dict):
            return _refused(row_id, stored, "", "no_row", "a row is an object")
        if len(row_id.encode("utf-8", "surrogatepass")) > ENTRY_KEY_BYTES_MAX:
            return _refused(row_id, stored, "id", "too_long", f"an id has at most {ENTRY_KEY_BYTES_MAX} bytes")
        version = self._version_of(stored)
        if version is None:
            return UnknownVersion(row_id, _shown_version(stored), stored)
        row = _checked(self._versions[version - 1], row_id, stored)
        if isinstance(row, RowError) or version == self.version:
            return row
        return self._migrated(row_id, row, version, stored)

    def stored(self, row: BaseModel | Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """The entry key and the stored form of ``row``, stamped with the latest version.

        Raises ``InvalidInput`` for what the latest schema refuses, ``LimitExceeded`` above a limit.
        """
        members = self.dumped(row)
        row_id = members.get("id")
        if not isinstance(row_id, str):
            raise _cannot_write(self.name, "id (string_type)")
        check_entry_key(row_id)
        checked = _checked(self.latest, row_id, members)
        if isinstance(checked, ValidationFailed):
            first = checked.errors[0]
            if first.kind == TOO_BIG:
                raise _too_big(self.name, len(json_text(members)))
            raise _cannot_write(self.name, f"{first.path or 'the row'} ({first.kind})")
        return row_id, self._stamped(row_id, checked)

    def merged(
        self, row_id: str, stored: object, changes: Mapping[str, object]
    ) -> tuple[BaseModel, dict[str, object]] | RowError:
        """What is stored, with ``changes`` on top: the new row and its stored form. The id stays."""
        current = self.read(row_id, stored)
        if isinstance(current, RowError):
            return current
        members = self.dumped(current)
        extra: dict[str, object] = {}
        if isinstance(stored, dict) and self._version_of(stored) == self.version:
            extra = {name: each for name, each in stored.items() if name not in self._known | {VERSION_MEMBER}}
        checked = _checked(self.latest, row_id, {**extra, **members, **changes})
        if isinstance(checked, RowError):
            return checked
        kept = {name: changes.get(name, each) for name, each in extra.items()}
        return checked, {**kept, **self._stamped(row_id, checked)}

    @staticmethod
    def dumped(row: BaseModel | Mapping[str, object]) -> dict[str, object]:
        """The members of ``row`` as JSON has them."""
        return row.model_dump(mode="json", by_alias=True, warnings=False) if isinstance(row, BaseModel) else dict(row)

    def _version_of(self, stored: Mapping[str, object]) -> int | None:
        version = stored.get(VERSION_MEMBER)
        if isinstance(version, bool) or not isinstance(version, (int, float)):
            return None
        return next((n for n in range(1, self.version + 1) if n == version), None)

    def _migrated(self, row_id: str, row: BaseModel, version: int, stored: object) -> BaseModel | RowError:
        try:
            members = self.dumped(self._migrate(row, version))
        except Exception as error:  # the author's code: whatever it raises is the value of this row
            return MigrationFailed(row_id, error, stored)
        checked = _checked(self.latest, row_id, members)
        if isinstance(checked, ValidationFailed):
            return MigrationFailed(row_id, ValueError(checked.message), stored)
        return checked

    def _stamped(self, row_id: str, row: BaseModel) -> dict[str, object]:
        return {**self.dumped(row), "id": row_id, VERSION_MEMBER: self.version}


def check_entry_key(key: str) -> None:
    """Raise unless ``key`` may be written as the key of an entry: text, not empty, within its limit."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        size = 0
    if size == 0:
        raise InvalidInput(
            "SR-WS-054",
            "an entry key is empty, or no Unicode text",
            fix="use an id of at least one character",
            field="key",
        )
    if size > ENTRY_KEY_BYTES_MAX:
        raise LimitExceeded(
            "SR-WS-055",
            f"an entry key has {size} bytes and may have {ENTRY_KEY_BYTES_MAX}",
            fix="use a shorter id and keep the long text in a field",
            size=size,
            limit=ENTRY_KEY_BYTES_MAX,
        )


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """The places that pydantic names, without the values that stand there."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:FIELD_ERRORS_MAX]
    return tuple(
        FieldError(
            ".".join(shown_id(str(part)) for part in each["loc"])[:PATH_CHARS_MAX],
            each["msg"][:MESSAGE_CHARS_MAX],
            each["type"],
        )
        for each in found
    )


def _checked(model: type[BaseModel], row_id: str, stored: Mapping[str, object]) -> BaseModel | ValidationFailed:
    members = {name: each for name, each in stored.items() if name != VERSION_MEMBER}
    try:
        text = json_text({**members, "id": row_id})
    except NotJson as error:
        return _refused(row_id, stored, "", "not_json", str(error))
    if len(text) > VALUE_BYTES_MAX:
        return _refused(
            row_id, stored, "", TOO_BIG, f"the row has {len(text)} bytes as JSON and may have {VALUE_BYTES_MAX}"
        )
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        return ValidationFailed(row_id, field_errors(error), stored)
    except Exception as error:  # the author's validators: what they raise is no reason to lose the other rows
        return _refused(row_id, stored, "", "validator_raised", f"a validator raised {type(error).__name__}")


def _as_it_is(row: BaseModel, version: int) -> BaseModel:
    """Of a table with one schema, every row is of the latest."""
    return row


def _refused(row_id: str, stored: object, path: str, kind: str, message: str) -> ValidationFailed:
    return ValidationFailed(row_id, (FieldError(path, message, kind),), stored)


def _shown_version(stored: Mapping[str, object]) -> str:
    """``_v`` as the contract's text shows it; what is no number is named by its kind."""
    version = stored.get(VERSION_MEMBER, ...)
    if version is ...:
        return "undefined"
    if version is None:
        return "null"
    if isinstance(version, bool):
        return "true" if version else "false"
    if isinstance(version, (int, float)) and abs(version) < 10**21:
        return str(int(version)) if version == int(version) else repr(version)
    if isinstance(version, (int, float)):
        return f"{version:g}" if abs(version) < 10**300 else "a number out of range"
    return "a text" if isinstance(version, str) else "no number"


def _model(definition: TableDefinition, schema: type) -> type[BaseModel]:
    if isinstance(schema, type) and issubclass(schema, BaseModel) and "id" in _members(schema):
        return schema
    raise InvalidInput(
        "SR-WS-052",
        f"table {definition.name} has a schema that is no pydantic model with a field id",
        fix="derive it from pydantic.BaseModel and give it `id: str`",
        field=definition.name,
    )


def _members(model: type[BaseModel]) -> list[str]:
    return [each.serialization_alias or each.alias or name for name, each in model.model_fields.items()]


def _cannot_write(table: str, place: str) -> InvalidInput:
    return InvalidInput(
        "SR-WS-053",
        f"a row of table {table} does not fit its latest schema",
        why=place,
        fix="correct the row; nothing was written",
        field=place,
    )


def _too_big(table: str, size: int) -> LimitExceeded:
    return LimitExceeded(
        "SR-WS-056",
        f"a row of table {table} has {size} bytes as JSON and may have {VALUE_BYTES_MAX}",
        fix="keep large things elsewhere and a reference to them in the row; nothing was written",
        size=size,
        limit=VALUE_BYTES_MAX,
    )
