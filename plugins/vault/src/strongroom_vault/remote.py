"""A vault that runs elsewhere: every call of this host goes on to it, and nothing is kept here.

Rule 1: no key and no value is ever in this process; what passes is sealed, or signed by the vault.
Rule 2: nothing is repeated and nothing is cached: the vault counts attempts, and its answer is the answer.
Rule 3: trouble on the way is ``Unavailable``, which says where the vault should be and what to look at.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import any_pb2

from strongroom.plugin import Call, CapabilityError, Method, Misconfigured
from strongroom.plugin.error_text import parse_error
from strongroom.plugin.messages import capabilities_pb2, strongroom_vault_pb2
from strongroom_vault.service.files import load_credentials
from strongroom_vault.service.wire import CALL_BYTES_MAX, CAPABILITY, EXECUTE, SERVICE, TRANSPORT_OPTIONS

__all__ = ["METHODS", "RemoteVault", "check_remote"]

KEYS: Final = frozenset({"address", "ca_file", "certificate_file", "key_file"})
METHODS: Final = (
    *("vault.publicKey.get", "vault.secrets.get", "vault.secrets.create", "vault.secrets.update"),
    *("vault.secrets.delete", "vault.secrets.list", "vault.secrets.readable", "vault.secrets.status"),
    *("vault.identity.get", "vault.release.challenge", "vault.release.release"),
    *("vault.manifests.put", "vault.manifests.get"),
)
"""What is passed on. A vault that is older and knows one less says so itself."""
UNREACHABLE: Final = "SR-VAULT-047"
TOO_LARGE: Final = "SR-VAULT-048"
RECONNECT_MS_MAX: Final = 2_000
"""A vault that is back is found within this time; the one service that a host has need not be spared."""
DETAILS_CHARS_MAX: Final = 300


def check_remote(remote: Mapping[str, Any]) -> None:  # Any: what YAML holds
    """Raise ``Misconfigured`` unless the section ``remote`` has its four keys, and absolute paths in three of them."""
    wrong = sorted(KEYS ^ set(remote)) if isinstance(remote, Mapping) else sorted(KEYS)
    if wrong:
        raise _refused("remote", f"it needs {', '.join(sorted(KEYS))} and nothing else; look at {', '.join(wrong)}")
    for name in sorted(KEYS):
        if not isinstance(remote[name], str) or not remote[name]:
            raise _refused(f"remote.{name}", "it is not a text")
        if name != "address" and not Path(remote[name]).is_absolute():
            raise _refused(f"remote.{name}", "it is not an absolute path")
    _, colon, port = remote["address"].rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise _refused("remote.address", "it is not NAME:PORT")


class RemoteVault:
    """The methods of ``vault@1.0.0`` over one channel, which connects at the first call and again by itself."""

    def __init__(self, remote: Mapping[str, Any]) -> None:  # Any: as above
        """Read the files and make the channel; nothing is called. Raises ``Misconfigured``."""
        check_remote(remote)
        credentials = load_credentials(
            Path(remote["certificate_file"]), Path(remote["key_file"]), Path(remote["ca_file"]), now=datetime.now(UTC)
        )
        self.address: str = remote["address"]
        self._channel = grpc.secure_channel(
            self.address,
            grpc.ssl_channel_credentials(credentials.authority, credentials.key, credentials.certificate),
            options=[
                *TRANSPORT_OPTIONS,
                ("grpc.enable_retries", 0),
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX),
            ],
        )
        self._execute = self._channel.unary_unary(
            f"/{SERVICE}/{EXECUTE}",
            strongroom_vault_pb2.VaultServiceExecuteRequest.SerializeToString,
            strongroom_vault_pb2.VaultServiceExecuteResponse.FromString,
        )

    def methods(self) -> Mapping[str, Method]:
        """Method name to function, as ``Vault.methods`` has them. Each raises what the vault refused."""
        return dict.fromkeys(METHODS, self._pass_on)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _pass_on(self, call: Call) -> any_pb2.Any:
        request = capabilities_pb2.CapabilityRequest(
            metadata=call.metadata, payload=call.payload, method=call.method, capabilityId=CAPABILITY
        )
        if (size := request.ByteSize()) > CALL_BYTES_MAX:
            text = f"{TOO_LARGE}: the call has {size} bytes, and a vault takes {CALL_BYTES_MAX}: send less"
            raise CapabilityError("Public", "User", "LimitExceeded", text)
        outer = strongroom_vault_pb2.VaultServiceExecuteRequest(call=request)
        try:
            answer: capabilities_pb2.CapabilityResponse = self._execute(outer, timeout=call.timeout_s).answer
        except grpc.RpcError as error:
            raise self._unavailable(error) from error
        except ValueError as error:  # what grpc raises for a channel that was closed
            raise self._said("Unavailable", "this host is stopping", "ask again when it runs") from error
        if answer.error:
            raise parse_error(answer.error)
        return answer.payload

    def _unavailable(self, error: grpc.RpcError) -> CapabilityError:
        code = error.code()
        details = (error.details() or code.name)[:DETAILS_CHARS_MAX]
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self._said("DeadlineExceeded", "it gave no answer in time", "look at its log and at the way to it")
        if code is grpc.StatusCode.PERMISSION_DENIED:
            return self._said("Unavailable", details, "have the operator of the vault list it, and restart the vault")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return self._said("Unavailable", details, "the vault has too many calls, or one is too large")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return self._said("Unavailable", "something else answers there", "correct remote.address")
        fix = (
            "see that `strongroom vault serve` runs there and is reached from here, that its certificate is for this "
            "name and signed by remote.ca_file, and that the one of this host is good and signed by its client_ca_file"
        )
        return self._said("Unavailable", details, fix)

    def _said(self, name: str, why: str, fix: str) -> CapabilityError:
        return CapabilityError("Public", "System", name, f"{UNREACHABLE}: the vault at {self.address}: {why}; {fix}")


def _refused(where: str, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-VAULT-046",
        f"the section {where} of the plugin vault cannot be used",
        why=why,
        fix="docs/vault.md has an example of it",
        where=where,
    )
