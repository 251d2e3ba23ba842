"""Where the root secrets of a host may come from: what a plugin with the hook ``key_providers()`` answers.

Such a plugin is loaded before every other one, since nothing opens without keys; it gets no ``Host``, and offers
nothing else. What it loads is the keyring itself: it is trusted like the host.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

__all__ = ["KeyProvider", "checked_key_providers"]

PROVIDERS_MAX: Final = 16
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@runtime_checkable
class KeyProvider(Protocol):
    """One place where a keyring may be."""

    name: str
    """What ``keys.provider`` calls it: 1 to 64 of a-z, 0-9 and -."""

    def load(self) -> bytes | None:
        """The text of a keyring, ``version:secret,…`` in UTF-8, as it is now; nothing where there is none.

        Asked at the start, and again when an operator adds a version. What it raises has no secrets in it.
        """

    def describe(self) -> str:
        """The place, for people. It has no secrets."""


def checked_key_providers(answer: object) -> Mapping[str, KeyProvider]:
    """What ``key_providers()`` answered, by name. Raises ``TypeError`` or ``ValueError`` with what is wrong."""
    if answer is None:
        return {}
    if not isinstance(answer, list | tuple):
        raise TypeError(f"key_providers() must return a list, it returned {type(answer).__name__}")
    if len(answer) > PROVIDERS_MAX:
        raise ValueError(f"key_providers() returned {len(answer)} providers, the limit is {PROVIDERS_MAX}")
    found: dict[str, KeyProvider] = {}
    for provider in answer:
        if not isinstance(provider, KeyProvider):
            raise TypeError(f"a {type(provider).__name__} has not the name, load() and describe() of a key provider")
        if not isinstance(provider.name, str) or not NAME.fullmatch(provider.name):
            raise ValueError(f"a key provider is named {provider.name!r:.80}: use a-z, 0-9 and -")
        if provider.name in found:
            raise ValueError(f"key_providers() returned {provider.name} twice")
        found[provider.name] = provider
    return found
