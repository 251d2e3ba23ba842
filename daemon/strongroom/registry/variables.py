"""``${state_dir}`` and its like in the config sections of plugins.yaml."""

import re
from collections.abc import Mapping
from typing import Any, Final

from strongroom.errors import Misconfigured

__all__ = ["expand"]

VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")


def expand(value: Any, variables: Mapping[str, str], where: str) -> Any:
    """``value`` with every ``${name}`` in its texts replaced, once. Raises ``Misconfigured`` for an unknown name.

    Any: a config section is whatever its plugin wants.
    """
    if isinstance(value, str):

        def replacement(match: re.Match[str]) -> str:
            if match[1] not in variables:
                known = ", ".join(f"${{{name}}}" for name in sorted(variables)) or "none"
                raise Misconfigured(
                    "SR-PLUG-026", f"{where}: ${{{match[1]}}} is not known", fix=f"known are {known}", where=where
                )
            return variables[match[1]]

        return VARIABLE.sub(replacement, value)
    if isinstance(value, Mapping):
        return {key: expand(item, variables, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand(item, variables, f"{where}[{index}]") for index, item in enumerate(value)]
    return value
