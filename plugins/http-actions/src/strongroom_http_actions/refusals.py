"""How this capability says no. The text never holds an address, a header value or a byte of a body."""

from strongroom.plugin import CapabilityError

__all__ = ["invalid", "late", "limited", "not_allowed", "unavailable", "unknown_outcome"]


def invalid(message: str) -> CapabilityError:
    """The request itself is wrong."""
    return CapabilityError("Public", "User", "InvalidArgument", message)


def limited(what: str, detail: str) -> CapabilityError:
    """Too big, too many or too often."""
    return CapabilityError("Public", "User", "LimitExceeded", f"{what}: {detail}")


def not_allowed(message: str) -> CapabilityError:
    """The operator of this host does not let requests go there."""
    return CapabilityError("Public", "User", "PermissionDenied", message)


def unavailable(message: str) -> CapabilityError:
    """The far side did not do its part."""
    return CapabilityError("Public", "System", "Unavailable", message)


def late(message: str) -> CapabilityError:
    """Time ran out."""
    return CapabilityError("Public", "System", "DeadlineExceeded", message)


def unknown_outcome() -> CapabilityError:
    """An earlier life of this plugin may have sent the request, and nobody knows what became of it."""
    return CapabilityError(
        "Public",
        "System",
        "Aborted",
        "OUTCOME_UNKNOWN: this request may have been sent before this host stopped, and it was not sent again",
    )
