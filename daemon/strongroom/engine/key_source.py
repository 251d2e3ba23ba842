"""Which provider gives the host its keyring: one that ships with it, or one of a plugin that plugins.yaml lists.

Rule 1: without ``keys.provider`` it is found as ever: a credential, a file, the environment (``keyring.sources``).
Rule 2: a provider that is named is the only one asked. What it has not, or does not give, stops the start.
Rule 3: the variable of the environment is taken out of it whoever serves, so that no child inherits secrets.
Rule 4: of what a provider of a plugin raises only the type is told, since its text may hold anything.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured, PluginFault, StrongroomError
from strongroom.keyring.files import FILE_BYTES_MAX
from strongroom.keyring.providers import CredentialProvider, EnvironmentProvider, FileProvider
from strongroom.keyring.root import SECRET_BYTES_MIN, RootKeyring, parse_secrets
from strongroom.keyring.sources import CREDENTIAL, VARIABLE, SecretSource, find_source
from strongroom.plugin.build import Hooks, build_plugin
from strongroom.plugin.hooks import hookimpl
from strongroom.plugin.key_providers import KeyProvider
from strongroom.registry.pins import import_factory_module
from strongroom.registry.variables import expand
from strongroom.settings.manifest import KEY_OFFER_PREFIX, PluginEntry, load_manifest
from strongroom.settings.model import Settings
from strongroom.telemetry import logs
from strongroom.tpm.key_file import TpmKeyFile

__all__ = ["KeySource", "ShippedKeyProviders"]

PLACE_CHARS_MAX: Final = 200
KINDS: Final = {"systemd-credential": "credential", "file": "file", "environment": "environment"}
"""What the sources are called that are found without a provider as well."""
log = logs.get("keys")


@dataclass(frozen=True, slots=True, eq=False)
class ShippedKeyProviders:
    """The providers that ship with the host, as a plugin of its own kind."""

    keyring_file: Path
    credentials_directory: str
    text: str
    """What the environment held, which is without it by now."""
    tpm_file: Path
    tpm_device: Path

    @hookimpl
    def key_providers(self) -> list[KeyProvider]:
        """Credential, file, environment, TPM-sealed file."""
        return [
            CredentialProvider(Path(self.credentials_directory or "/nonexistent") / CREDENTIAL),
            FileProvider(self.keyring_file),
            EnvironmentProvider(self.text),
            TpmKeyFile(self.tpm_file, self.tpm_device),
        ]

    def __repr__(self) -> str:
        """Nothing of what it holds."""
        return "<ShippedKeyProviders>"


class KeySource:
    """Where the keyring of a host with these ``settings`` comes from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def find(self, environ: MutableMapping[str, str], *, strict: bool) -> tuple[SecretSource, RootKeyring, str] | None:
        """The source, the keyring in it, and its text; nothing where no place that is looked at has anything.

        ``environ`` loses its variable. Raises ``Misconfigured``, ``PluginFault``, and what providers raise on purpose.
        """
        wanted = self._settings.keys.provider
        if not wanted:
            return find_source(self._settings.keyring_file, environ, strict=strict)
        provider = self._provider(wanted, environ)
        place = _described(provider)

        def load() -> bytes | None:
            return _loaded(provider)

        source = SecretSource(KINDS.get(wanted, wanted), place, load=load)
        text = source.loaded()
        if text is None:
            if wanted == FileProvider.name:
                return None
            raise Misconfigured(
                "SR-KEY-040",
                f"the key provider {wanted} has no keyring at {place}",
                fix="put one there, or name another provider in keys.provider; no other place was looked at",
                where="keys.provider",
            )
        return source, parse_secrets(text, where=place, secret_bytes_min=SECRET_BYTES_MIN if strict else 1), text

    def _provider(self, wanted: str, environ: MutableMapping[str, str]) -> KeyProvider:
        settings = self._settings
        text = environ.pop(VARIABLE, "")
        if text and wanted != EnvironmentProvider.name:
            log.warning("ENCRYPTION_SECRETS is not used: the setting keys.provider names another place")
        shipped = ShippedKeyProviders(
            settings.keyring_file,
            environ.get("CREDENTIALS_DIRECTORY", ""),
            text,
            settings.keys.tpm_file,
            settings.keys.tpm_device,
        )
        known = dict(Hooks(shipped, name="shipped key providers").key_providers())
        if wanted in known:
            return known[wanted]
        offer = f"{KEY_OFFER_PREFIX}{wanted}"
        for entry in load_manifest(settings.plugins_file):
            if entry.enabled and offer in entry.provides:
                return self._of_plugin(entry, wanted)
        raise Misconfigured(
            "SR-KEY-039",
            f"there is no key provider {wanted}",
            why=f"shipped are {', '.join(known)}, and no enabled plugin of {settings.plugins_file} provides {offer}",
            fix="correct keys.provider, or list the plugin in plugins.yaml with that offer and `required: true`",
            where="keys.provider",
        )

    def _of_plugin(self, entry: PluginEntry, wanted: str) -> KeyProvider:
        settings = self._settings
        variables = {name: str(getattr(settings, name)) for name in ("state_dir", "keys_dir", "runtime_dir")}
        config = expand(entry.config, variables, f"{entry.where or entry.name}.config")
        found = _asked(entry, config)
        if wanted not in found:
            raise PluginFault(
                "SR-KEY-044",
                f"plugin {entry.name} has no key provider {wanted}",
                why=f"it has {', '.join(found) or 'none'}",
                fix=f"correct {entry.where or 'plugins.yaml'}.provides, or the plugin",
                plugin=entry.name,
            )
        return found[wanted]


def _asked(entry: PluginEntry, config: Mapping[str, object]) -> Mapping[str, KeyProvider]:
    attribute = (entry.factory or "").partition(":")[2]
    try:
        factory = getattr(import_factory_module(entry), attribute)
        return Hooks(build_plugin(factory, config, name=entry.name), name=entry.name).key_providers()
    except StrongroomError:
        raise
    except Exception as error:
        raise _failed(entry.name, "it could not be loaded", error) from None


def _described(provider: KeyProvider) -> str:
    """Where it looks. Raises ``PluginFault`` for anything but text."""
    try:
        place = provider.describe()
        if not isinstance(place, str):
            raise TypeError(type(place).__name__)
    except StrongroomError:
        raise
    except Exception as error:
        raise _failed(provider.name, "its describe() failed", error) from None
    return place[:PLACE_CHARS_MAX]


def _loaded(provider: KeyProvider) -> bytes | None:
    """What it gives. Raises ``PluginFault`` for anything but bytes of a sane size, and for any other exception."""
    try:
        raw = provider.load()
    except StrongroomError:
        raise
    except Exception as error:
        raise _failed(provider.name, "its load() failed", error) from None
    if raw is not None and (not isinstance(raw, bytes) or len(raw) > FILE_BYTES_MAX):
        what = f"{len(raw)} bytes" if isinstance(raw, bytes) else f"a {type(raw).__name__}"
        raise PluginFault(
            "SR-KEY-042",
            f"the key provider {provider.name} gives no keyring",
            why=f"it returned {what}; a keyring is text of up to {FILE_BYTES_MAX} bytes",
            fix="correct the plugin",
            plugin=provider.name,
        )
    return raw


def _failed(name: str, what: str, error: Exception) -> PluginFault:
    return PluginFault(
        "SR-KEY-041",
        f"the key provider {name} failed: {what}",
        why=f"a {type(error).__name__}, whose text is not shown since it may hold secrets",
        fix="repair it, or name another provider in keys.provider; nothing was started",
        plugin=name,
    )
