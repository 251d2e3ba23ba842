"""Workflows in registries: fetch one and check every byte against its digest, or put one there.

The library that talks to registries is an extra of the package. Whatever it says, the digests are computed here.
"""

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.oci_artifact import (
    CONFIG_BYTES_MAX,
    MANIFEST,
    MANIFEST_BYTES_MAX,
    Blob,
    check_config,
    check_media_type,
    digest_of,
    pack,
    read_manifest,
)
from strongroom.cli.oci_reference import Reference

if TYPE_CHECKING:
    from strongroom.cli.oci_session import Registry

__all__ = ["Artifact", "pull", "push"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A module of a registry. ``reference`` has the digest of its manifest, whatever it was asked for by."""

    reference: Reference
    wasm: bytes
    layer_digest: str


def pull(reference: Reference, *, bytes_max: int, login: bytes = b"") -> Artifact:
    """Fetch a module of at most ``bytes_max`` bytes. Raises ``Failure``."""
    registry = _registry(reference, login)
    manifest, answer = registry.fetch(
        f"manifests/{reference.digest or reference.tag}", MANIFEST_BYTES_MAX, accept=MANIFEST
    )
    digest = digest_of(manifest)
    _same("manifest", digest, reference.digest or answer.headers.get("docker-content-digest") or digest)
    check_media_type(answer.headers.get("content-type", ""))
    parts = read_manifest(manifest, layer_bytes_max=bytes_max)
    if parts.has_config:
        check_config(_blob(registry, parts.config, CONFIG_BYTES_MAX), parts.layer)
    wasm = _blob(registry, parts.layer, bytes_max)
    return Artifact(reference=reference.pinned(digest), wasm=wasm, layer_digest=parts.layer.digest)


def push(reference: Reference, wasm: bytes, *, login: bytes = b"") -> Artifact:
    """Put a module there. Raises ``Failure``. What is there already under the tag is replaced; its digest stays."""
    registry = _registry(reference, login)
    manifest, config = pack(wasm)
    parts = read_manifest(manifest, layer_bytes_max=len(wasm))
    for blob, data in ((parts.layer, wasm), (parts.config, config)):
        _upload(registry, blob, data)
    url = f"{registry.prefix}://{registry.container.manifest_url()}"
    answer = registry.do_request(url, "PUT", data=manifest, headers={"Content-Type": MANIFEST})
    _accepted(registry, answer.status_code)
    digest = digest_of(manifest)
    _same("manifest", answer.headers.get("docker-content-digest") or digest, digest)
    return Artifact(reference=reference.pinned(digest), wasm=wasm, layer_digest=parts.layer.digest)


def _blob(registry: "Registry", blob: Blob, bytes_max: int) -> bytes:
    data, _ = registry.fetch(f"blobs/{blob.digest}", min(blob.size, bytes_max), accept="*/*")
    _same("blob", digest_of(data), blob.digest)
    return data


def _upload(registry: "Registry", blob: Blob, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="strongroom-") as file:
        file.write(data)
        file.flush()
        try:
            answer = registry.upload_blob(file.name, registry.container, blob.descriptor())
        except ValueError as error:
            # The library found no place to upload to in an answer that was not looked at.
            raise _not_taken(registry, "it names no place to upload to") from error
    _accepted(registry, answer.status_code)


def _accepted(registry: "Registry", status: int) -> None:
    from strongroom.cli.oci_session import refused_answer

    if status in {401, 403, 404, 429}:
        raise refused_answer(registry.container.registry, status)
    if status not in {200, 201, 202}:
        raise _not_taken(registry, f"status {status}; some registries take images only")


def _not_taken(registry: "Registry", why: str) -> Failure:
    return bad_data(
        "SR-OCI-014",
        f"the registry {registry.container.registry} does not take it",
        why=why,
        fix="ask its operator whether it takes OCI artifacts",
        exit_code=Exit.UNAVAILABLE,
    )


def _same(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise bad_data(
            "SR-OCI-015",
            f"the {what} is not what its digest says",
            why=f"expected {wanted[:100]}, found {found[:100]}",
            fix="do not use this registry until you know why; nothing was stored",
            exit_code=Exit.IO,
        )


def _registry(reference: Reference, login: bytes) -> "Registry":
    try:
        from strongroom.cli.oci_session import Registry
    except ImportError as error:
        raise bad_data(
            "SR-OCI-001",
            "registries need a library that is not installed",
            why=f"there is no {error.name}",
            fix="install the extra: pip install 'strongroom[oci]'",
            exit_code=Exit.CONFIGURATION,
        ) from error
    return Registry(reference, login)
