"""A workflow as an artifact of a registry: manifest, config, and one layer with the module. Text and bytes, no network.

Sources: OCI image specification 1.1; the Wasm working group's guidance for artifacts (config ``wasm.config.v0+json``).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.oci_reference import DIGEST

__all__ = [
    "CONFIG_BYTES_MAX",
    "MANIFEST",
    "MANIFEST_BYTES_MAX",
    "Blob",
    "Parts",
    "check_config",
    "check_media_type",
    "digest_of",
    "pack",
    "read_manifest",
]

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.wasm.config.v0+json"
LAYER: Final = "application/wasm"
OLD_LAYER: Final = "application/vnd.wasm.content.layer.v1+wasm"
OLD_CONFIG: Final = "application/vnd.wasm.config.v1+json"
"""Of tools that came before the guidance; their config says nothing of the layer."""
# Registries have to take manifests of 4 MB; one of a workflow has a thousandth of that.
MANIFEST_BYTES_MAX: Final = 1_000_000
CONFIG_BYTES_MAX: Final = 100_000
# A media type in a message; what is longer is not one.
WORD_CHARS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Something that a manifest names."""

    media_type: str
    digest: str
    size: int

    def descriptor(self) -> dict[str, str | int]:
        """As a manifest writes it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The config and the one layer of an artifact."""

    config: Blob
    layer: Blob

    @property
    def has_config(self) -> bool:
        """Whether the config has to be looked at."""
        return self.config.media_type == CONFIG


def digest_of(data: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def pack(wasm: bytes) -> tuple[bytes, bytes]:
    """Manifest and config of a module. The same module gives the same bytes, so the same digest."""
    layer = Blob(media_type=LAYER, digest=digest_of(wasm), size=len(wasm))
    config = _json({"architecture": "wasm", "os": "wasip1", "layerDigests": [layer.digest]})
    described = Blob(media_type=CONFIG, digest=digest_of(config), size=len(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described.descriptor(),
        "layers": [layer.descriptor()],
    }
    return _json(manifest), config


def read_manifest(untrusted: bytes, *, layer_bytes_max: int) -> Parts:
    """The parts of an artifact. Raises ``Failure`` for anything that is not one module, naming what it is."""
    document = _object(untrusted, "manifest")
    if document.get("schemaVersion") != 2 or document.get("mediaType", MANIFEST) != MANIFEST:
        raise _another("manifest", document.get("mediaType"), MANIFEST)
    layers = document.get("layers")
    if not isinstance(layers, list) or len(layers) != 1:
        raise bad_data(
            "SR-OCI-007",
            "the artifact is not one module",
            why=f"it has {len(layers) if isinstance(layers, list) else 'no'} layers, a workflow has exactly one",
            fix="name another artifact, or push the module with `strongroom workflow push`",
        )
    layer, config = _blob(layers[0], "layer"), _blob(document.get("config"), "config")
    if layer.media_type not in {LAYER, OLD_LAYER}:
        raise _another("layer", layer.media_type, f"{LAYER} or {OLD_LAYER}")
    wanted = {CONFIG} if layer.media_type == LAYER else {CONFIG, OLD_CONFIG}
    if config.media_type not in wanted:
        raise _another("config", config.media_type, " or ".join(sorted(wanted)))
    for blob, limit, name in ((layer, layer_bytes_max, "limits.binary_bytes_max"), (config, CONFIG_BYTES_MAX, "")):
        if blob.size > limit:
            raise bad_data(
                "SR-OCI-008",
                "the artifact is too large, and was not downloaded",
                why=f"it has a blob of {blob.size} bytes, the limit is {limit}{' (' + name + ')' if name else ''}",
                fix="register a smaller one, or raise the limit",
            )
    return Parts(config=config, layer=layer)


def check_media_type(header: str) -> None:
    """Raise ``Failure`` unless the registry says that it sends a manifest of one artifact."""
    media_type = header.partition(";")[0].strip()
    if media_type != MANIFEST:
        raise _another("manifest", media_type, MANIFEST)


def check_config(untrusted: bytes, layer: Blob) -> None:
    """Raise ``Failure`` unless the config is one of WebAssembly, and of that very layer."""
    document = _object(untrusted, "config")
    if document.get("architecture") != "wasm":
        raise _malformed("config", "its architecture is not wasm")
    if document.get("layerDigests", [layer.digest]) != [layer.digest]:
        raise _malformed("config", "it is about another layer")


def _blob(untrusted: object, what: str) -> Blob:
    if not isinstance(untrusted, dict):
        raise _malformed("manifest", f"its {what} is no descriptor")
    media_type, digest, size = (untrusted.get(key) for key in ("mediaType", "digest", "size"))
    if not isinstance(media_type, str) or type(size) is not int or size < 0:
        raise _malformed("manifest", f"its {what} has no media type or no size")
    if not isinstance(digest, str) or DIGEST.fullmatch(digest) is None:
        raise _malformed("manifest", f"its {what} has no digest of the kind sha256")
    return Blob(media_type=media_type, digest=digest, size=size)


def _object(untrusted: bytes, what: str) -> Mapping[str, Any]:  # Any: JSON of somebody else
    try:
        document = json.loads(untrusted)
    except (ValueError, RecursionError) as error:
        raise _malformed(what, f"it is no JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise _malformed(what, "it is no JSON object")
    return document


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _another(what: str, found: object, wanted: str) -> Failure:
    named = found[:WORD_CHARS_MAX] if isinstance(found, str) and found else "nothing"
    return bad_data(
        "SR-OCI-005",
        "the artifact is no workflow",
        why=f"its {what} has the media type {named}, and has to have {wanted}",
        fix="name another artifact, or push the module with `strongroom workflow push`",
    )


def _malformed(what: str, why: str) -> Failure:
    return bad_data("SR-OCI-006", f"the {what} of the artifact cannot be read", why=why, fix="push the workflow again")
