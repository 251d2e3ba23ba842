"""Capability ``vault@1.0.0``: everything that a vault answers, in one table, and how it says no.

Both doors serve this table: the plugin of a host, and the service. Whatever is refused because of evidence, policy or
manifest is ``PermissionDenied`` with its code first; what cannot be written is ``Unavailable``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from strongroom.attest.policy import Policy
from strongroom.attest.release import Signed
from strongroom.plugin import (
    Call,
    CapabilityError,
    EvidenceRejected,
    LimitExceeded,
    Misconfigured,
    Tampered,
    Unavailable,
)
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.manifests import ManifestRoom
from strongroom_vault.release_room import ReleaseRoom
from strongroom_vault.secret_methods import SecretMethods
from strongroom_vault.shelf import Shelf
from strongroom_vault.state import State

__all__ = ["Vault"]


class Vault:
    """An open vault. ``public_key`` is its raw Ed25519 key, ``store`` is ``test`` or ``production``, ``policy`` the
    one in force, if any."""

    def __init__(
        self,
        *,
        state: State,
        shelf: Shelf,
        secrets: SecretMethods,
        manifests: ManifestRoom,
        releases: ReleaseRoom,
        identity: Signed,
        public_key: bytes,
        store: str,
        policy: Policy | None,
    ) -> None:
        self.state = state
        self.shelf = shelf
        self.public_key = public_key
        self.store = store
        self.policy = policy
        self._releases = releases
        self._identity = identity
        self._methods = {
            **secrets.methods(),
            **manifests.methods(),
            **releases.methods(),
            "vault.identity.get": self.identity,
        }

    @property
    def insecure_releases(self) -> int:
        """Releases to simulations since the start, for ``strongroom_insecure_release_total``."""
        return self._releases.insecure_releases

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function. Each returns its own message type, or raises ``CapabilityError``."""
        return {name: partial(_answered, method) for name, method in self._methods.items()}

    def identity(self, call: Call) -> strongroom_vault_pb2.IdentityResponse:
        """Who this vault is, signed."""
        call.unpack(strongroom_vault_pb2.IdentityRequest)
        return strongroom_vault_pb2.IdentityResponse(body=self._identity.body, signature=self._identity.signature)

    def close(self) -> None:
        """Let go of the file."""
        self.state.close()


def _answered(method: Callable[[Call], Any], call: Call) -> Any:  # Any: the message type of the method
    """The answer of ``method``, or what it refused as the error of a capability."""
    try:
        return method(call)
    except EvidenceRejected as error:
        raise CapabilityError("Public", "User", "PermissionDenied", f"{error.code}: {error}") from error
    except Misconfigured as error:
        raise CapabilityError("Public", "User", "PermissionDenied", f"{error.code}: {error}; {error.fix}") from error
    except LimitExceeded as error:
        raise CapabilityError("Public", "User", "LimitExceeded", f"{error.code}: {error}; {error.fix}") from error
    except Unavailable as error:
        raise CapabilityError("Public", "System", "Unavailable", f"{error.code}: {error}; {error.fix}") from error
    except Tampered as error:
        raise CapabilityError("Public", "System", "Internal", f"{error.code}: {error}; {error.fix}") from error
