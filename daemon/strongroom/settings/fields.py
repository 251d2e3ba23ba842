"""Kinds of values that several sections of the settings have."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue

__all__ = ["AT_RELOAD", "SECRET", "AbsolutePath", "Flag", "Text", "as_tuple"]

SECRET: Final[dict[str, JsonValue]] = {"secret": True}
AT_RELOAD: Final[dict[str, JsonValue]] = {"at_reload": True}
"""A new value takes effect at a reload; every other one needs a restart."""


def as_tuple(value: object) -> object:
    """A list, as files have it, as the tuple that a frozen value needs."""
    return tuple(value) if isinstance(value, list) else value


def _path(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("the path must be absolute once it is read")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_path)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
