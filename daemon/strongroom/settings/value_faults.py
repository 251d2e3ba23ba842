"""What is wrong with the value of a setting, and what to do: in our words, not in the library's.

Only bounds and choices are said, which stand in the schema; never the value, which may be a secret in the wrong place.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["in_words"]

Context = Mapping[str, Any]  # Any: what the library adds to each kind of fault
Words = Callable[[Context], tuple[str, str]]
_WHOLE: Final = (
    "it is not a whole number",
    "write digits only; the unit stands in its name",
)

# Types of faults of the library, by what its documentation calls them.
_WORDS: Final[Mapping[str, Words]] = {
    "greater_than_equal": lambda c: (f"it is too small: the least is {c['ge']}", f"set it to {c['ge']} or more"),
    "less_than_equal": lambda c: (f"it is too large: the most is {c['le']}", f"set it to {c['le']} or less"),
    "literal_error": lambda c: ("it is none of the words that may stand here", f"one of {c['expected']}"),
    "int_type": lambda _: _WHOLE,
    "int_parsing": lambda _: _WHOLE,
    "int_from_float": lambda _: _WHOLE,
    "bool_type": lambda _: ("it is neither true nor false", "set it to true or false"),
    "bool_parsing": lambda _: ("it is neither true nor false", "set it to true or false"),
    "path_type": lambda _: ("it is not a path", "write the path as text, in quotes where it is digits only"),
    "string_type": lambda _: ("it is not text", "put it in quotes: YAML reads bare digits as a number"),
}


def in_words(fault: Mapping[str, Any]) -> tuple[str, str]:  # Any: as above
    """Why the value is refused, and what to do. A check of our own says the former itself."""
    words = _WORDS.get(str(fault["type"]))
    if words is not None:
        return words(fault.get("ctx", {}))
    why = str(fault["msg"]).removeprefix("Value error, ")
    return why[:1].lower() + why[1:], "docs/settings.md says what each setting takes"
