"""What another place would refuse that a simulation lets pass: an enclave above all, and the defaults of plugins.

Rule 1: a simulation that is more permissive than production says where.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final
from urllib.parse import urlsplit

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from strongroom.guest.limits import GuestLimits
from strongroom.modules.requirements import are_satisfied
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.testing.hidden import Hidden
from strongroom.testing.simulation import Simulation, Wish

__all__ = ["warnings_of"]

BINARY_BYTES_MAX: Final = 20 * 1024 * 1024
"""An enclave fetches no larger binary. Source: "confidential" section 13."""
NEVER_IN_ENCLAVES: Final = frozenset({"confidential-workflows", "vault"})
"""Capabilities that an enclave refuses to its guest. Source: the same place."""


def warnings_of(wish: Wish, done: Simulation) -> list[str]:
    """Sentences for the author, each once."""
    found = [note for phase in done.phases for note in phase.used.notes]
    found += [
        *wish.attributes.warnings,
        *_secrets(wish, done),
        *_shown(wish, done),
        *_places(wish, done),
        *_calls(done),
    ]
    if wish.attributes.confidential or _wants_enclave(wish, done):
        found += _enclave(wish, done)
    return list(dict.fromkeys(found))


def _secrets(wish: Wish, done: Simulation) -> Iterator[str]:
    named = [(secret.namespace, secret.key) for secret in wish.attributes.vault_don_secrets]
    for name in named:
        if name not in wish.secrets:
            yield f"secret {'/'.join(name)} is named in the attributes and not given: a run fails without it"
    for name in dict.fromkeys(name for phase in done.phases for name in phase.used.secrets):
        if name not in wish.secrets and name not in named:
            yield f"the guest asked for secret {'/'.join(name)}, which was not given: put it into the file of --env"
        if name not in named:
            where = "the enclave" if wish.attributes.confidential else "a host"
            but = ", unless workflow_reads of the vault opens it"
            yield f"secret {'/'.join(name)} is not in vault_don_secrets: {where} refuses it to the guest{but}"


def _shown(wish: Wish, done: Simulation) -> Iterator[str]:
    hidden = Hidden(wish.secrets)
    for phase in done.phases:
        answer = phase.outcome.result
        where = {
            "its log": "\n".join(phase.outcome.logs),
            "its result": text_format.MessageToString(answer, as_utf8=True) if answer is not None else "",
        }
        for place, text in where.items():
            for name in hidden.found_in(text):
                yield f"the guest wrote the value of secret {name} into {place}"


def _places(wish: Wish, done: Simulation) -> Iterator[str]:
    for index, subscription in enumerate(done.subscriptions):
        if subscription.HasField("requirements") and not are_satisfied(subscription.requirements, None):
            yield (
                f"trigger {index} has requirements that no local sandbox satisfies: it runs in an enclave that does,"
                " and on a host without one it is refused"
            )
    if wish.attributes.confidential and any(subscription.pre_hook for subscription in done.subscriptions):
        yield "the pre-hook runs in the enclave too: what it may call there is the same"


def _calls(done: Simulation) -> Iterator[str]:
    for call in (call for phase in done.phases for call in phase.outcome.calls):
        if _name(call) == "http-actions" and not _is_plain_https(call):
            yield (
                "http-actions goes to https on port 443 only, unless the operator lists the origin in allow_hosts:"
                f" call {call.callback_id} goes elsewhere"
            )


def _enclave(wish: Wish, done: Simulation) -> Iterator[str]:
    for call in (call for phase in done.phases for call in phase.outcome.calls):
        if _name(call) in NEVER_IN_ENCLAVES:
            yield f"an enclave refuses calls of {call.id} to its guest"
    if len(done.binary.data) > BINARY_BYTES_MAX:
        size = len(done.binary.data)
        yield f"the binary has {size} bytes, an enclave takes {BINARY_BYTES_MAX}: compress it with brotli"
    production = GuestLimits()
    for field in fields(GuestLimits):
        here, there = getattr(wish.limits, field.name, 0), getattr(production, field.name)
        if here > there and not field.name.startswith(("binary_", "compile_", "native_")):
            yield f"limits.{field.name} is {here} here; the limits of this host do not reach into an enclave ({there})"


def _wants_enclave(wish: Wish, done: Simulation) -> bool:
    chosen = done.subscriptions[wish.trigger : wish.trigger + 1]
    return any(s.HasField("requirements") and not are_satisfied(s.requirements, None) for s in chosen)


def _name(call: sdk_pb2.CapabilityRequest) -> str:
    return call.id.split("@", 1)[0].split(":", 1)[0].strip().lower()


def _is_plain_https(call: sdk_pb2.CapabilityRequest) -> bool:
    try:
        url = urlsplit(http_pb2.Request.FromString(call.payload.value).url)
        return url.scheme == "https" and url.port in {None, 443}
    except (DecodeError, ValueError):
        return False
