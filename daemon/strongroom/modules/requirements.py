"""Whether what executes a workflow satisfies the requirements of one of its subscriptions.

Pure: whoever asks brings the TEEs that the far side provides. The engine asks to choose a module, and an enclave asks
again about itself before it runs anything, so that a wrong match needs two mistakes.

Source: contracts, "confidential" section 6.
"""

from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["are_satisfied", "asks_for_a_tee", "holds_unknown_fields"]


def are_satisfied(requirements: sdk_pb2.Requirements | None, tees: Iterable[sdk_pb2.TeeTypeAndRegions] | None) -> bool:
    """Whether ``requirements`` hold where ``tees`` are provided; ``None``: what executes knows nothing of TEEs.

    What this reader does not understand, at any depth, is a wish that cannot be granted.
    """
    if requirements is None:
        return True
    if holds_unknown_fields(requirements):
        return False
    if not requirements.HasField("tee"):
        return True
    return tees is not None and _matches(requirements.tee, _merged(tees))


def asks_for_a_tee(requirements: sdk_pb2.Requirements | None) -> bool:
    """Whether it takes the provided TEEs to say if ``requirements`` are satisfied: nothing else could satisfy them."""
    return requirements is not None and requirements.HasField("tee") and not holds_unknown_fields(requirements)


def _merged(tees: Iterable[sdk_pb2.TeeTypeAndRegions]) -> Mapping[int, set[str]]:
    """The regions of each type. A provider that does not say of which type it is gives nothing."""
    merged: dict[int, set[str]] = {}
    for tee in tees:
        if tee.type != sdk_pb2.TEE_TYPE_UNSPECIFIED:
            merged.setdefault(tee.type, set()).update(tee.regions)
    return merged


def _matches(tee: sdk_pb2.Tee, provided: Mapping[int, set[str]]) -> bool:
    match tee.WhichOneof("item"):
        case "any_regions":
            return any(_in_regions(tee.any_regions.regions, regions) for regions in provided.values())
        case "tee_types_and_regions":
            entries = tee.tee_types_and_regions.tee_type_and_regions
            return any(_first_of_type(entries, kind, regions) for kind, regions in provided.items())
        case _:
            return False


def _first_of_type(entries: Iterable[sdk_pb2.TeeTypeAndRegions], kind: int, regions: set[str]) -> bool:
    """Only the first entry of a type decides; later ones of the same type are not read."""
    first = next((entry for entry in entries if entry.type == kind), None)
    return first is not None and _in_regions(first.regions, regions)


def _in_regions(wanted: Iterable[str], provided: set[str]) -> bool:
    names = set(wanted)
    return not names or not names.isdisjoint(provided)


def holds_unknown_fields(message: Message) -> bool:
    """Whether ``message`` says something, at any depth, that this reader does not understand."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()
