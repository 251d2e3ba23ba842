"""Every exception strongroom raises on purpose.

StrongroomError            carries a stable code, what happened, why, and what to do
├── Refused                the caller's fault
│   ├── InvalidInput       a field is wrong: carries which
│   ├── NotFound           there is no such thing
│   ├── Conflict           it exists already, and differs
│   ├── WrongState         the thing is not in a state that allows this
│   ├── Forbidden          policy says no
│   ├── EvidenceRejected   evidence of an enclave does not hold: carries the check, what was found and what was wanted
│   └── LimitExceeded      too big, too many, too fast: carries size and limit
├── Tampered               bytes failed authentication (one message, no detail)
├── Truncated              it ends before its end: what was read is authentic, and something is missing behind it
├── RuntimeDecryptionError a payload of another implementation does not open: carries operation, size and format
├── KeyMissing             sealed under a key version that this host does not have
├── SealBudgetExceeded     a run sealed more messages than its key may
├── Misconfigured          an operator's file is wrong: carries where
├── StorageFault           the database refused, or is newer than this code
├── Unavailable            not now: starting, draining, overloaded; trying again may help
│   └── Exhausted          a share of this host, or its disk, is used up: carries size, limit and setting
├── PluginFault            a plugin broke its contract: carries which
├── CapabilityError        a capability answered with an error: visibility, origin, code
│   └── PluginAway         its plugin is not there now: carries which
├── GuestFault             a workflow broke its contract
│   └── NondeterministicGuest   it did otherwise than its journal says: carries the step
├── TimedOut               a run or a call used up its time
├── Cancelled              someone asked to stop
└── Internal               our own bug

GuestSuspended             no error: the guest gave its runner back while it waits

The class says who is at fault; ``code`` says which case it is and never changes its meaning. The cause of an error
stays its ``__cause__``. Nothing here ever holds payload bytes or the value of a secret.
"""

from collections.abc import Mapping

__all__ = [
    "Cancelled",
    "CapabilityError",
    "Conflict",
    "EvidenceRejected",
    "Exhausted",
    "Forbidden",
    "GuestFault",
    "GuestSuspended",
    "Internal",
    "InvalidInput",
    "KeyMissing",
    "LimitExceeded",
    "Misconfigured",
    "NondeterministicGuest",
    "NotFound",
    "PluginAway",
    "PluginFault",
    "Refused",
    "RuntimeDecryptionError",
    "SealBudgetExceeded",
    "StorageFault",
    "StrongroomError",
    "Tampered",
    "TimedOut",
    "Truncated",
    "Unavailable",
    "WrongState",
]


class StrongroomError(Exception):
    """Root of the tree.

    ``code`` is stable and public (``SR-ATTR-001``); ``what`` happened, ``why``, and what to do (``fix``) are sentences
    for people; ``details`` are public facts for programs: ids, names, sizes, limits.
    """

    def __init__(self, code: str, what: str, *, why: str = "", fix: str = "", **details: str | int) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.why = why
        self.fix = fix
        self.details: Mapping[str, str | int] = details

    def __str__(self) -> str:
        """``what``, then ``why`` behind a colon."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def with_fix(self) -> str:
        """The text with what to do behind it, for places that show an error as one line."""
        return f"{self}; {self.fix}" if self.fix else str(self)


class Refused(StrongroomError):
    """The caller's fault: state or policy says no."""


class InvalidInput(Refused):
    """A field is wrong. ``details["field"]`` is its path."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """It exists already, and differs from what was asked for."""


class WrongState(Refused):
    """The thing is not in a state that allows this."""


class Forbidden(Refused):
    """Policy says no, whoever asks."""


class EvidenceRejected(Refused):
    """Evidence of an enclave does not hold. The first check that failed, what was found there, and what was wanted.

    All three are public: evidence holds no secrets, and a refusal that explains itself can be acted upon.
    """

    def __init__(self, code: str, check: str, *, got: str = "", wanted: str = "", fix: str = "") -> None:
        why = f"found {got or 'nothing'}, wanted {wanted}" if wanted else got
        super().__init__(code, f"evidence refused at {check}", why=why, fix=fix, check=check)
        self.check = check
        self.got = got
        self.wanted = wanted


class LimitExceeded(Refused):
    """Too big, too many or too fast. ``details`` hold ``size``, ``limit`` and the ``setting`` that names the limit."""


class Tampered(StrongroomError):
    """Bytes failed authentication. One message, no detail: an attacker learns nothing from it."""

    def __init__(self, thing: str = "data", **details: str | int) -> None:
        super().__init__(
            "SR-SEAL-001",
            f"{thing} failed authentication",
            why="it was changed outside strongroom, or belongs to another place",
            fix="restore it from a backup; nothing of it was used",
            **details,
        )


class Truncated(StrongroomError):
    """It ends before its end. What was read of it is authentic; what is missing was cut off, or never written."""


class RuntimeDecryptionError(StrongroomError):
    """A payload in a format of another implementation does not open. Never the fault of the guest whose payload it is.

    ``operation`` is ``decrypt``; ``byte_length`` counts what could not be opened; ``format_prefix`` is one of the known
    formats, or empty where there is none. Source: contracts/run-encryption.md 4.
    """

    def __init__(
        self, code: str, what: str, *, why: str = "", fix: str = "", byte_length: int, format_prefix: str
    ) -> None:
        self.operation = "decrypt"
        self.byte_length = byte_length
        self.format_prefix = str(format_prefix)
        super().__init__(
            code,
            what,
            why=why,
            fix=fix,
            operation=self.operation,
            byte_length=byte_length,
            format_prefix=str(format_prefix),
        )


class KeyMissing(StrongroomError):
    """Sealed under a key version that this host does not have. ``details`` name the version or key id."""


class SealBudgetExceeded(StrongroomError):
    """A run sealed more messages than its key may."""


class Misconfigured(StrongroomError):
    """An operator's file is wrong. ``details["where"]`` is ``file:dotted.key``."""


class StorageFault(StrongroomError):
    """The database refused, or its schema is newer than this code."""


class Unavailable(StrongroomError):
    """Not now. Trying again may help; ``details["retry_ms"]`` says when, if that is known."""


class Exhausted(Unavailable):
    """What somebody may have of this host is used up, or its disk is. Trying again helps once some of it is free.

    ``details`` hold ``size``, ``limit`` and ``setting``, as for ``LimitExceeded``, and ``retry_ms``.
    """


class PluginFault(StrongroomError):
    """A plugin broke its contract. ``details["plugin"]`` is its name."""


class CapabilityError(StrongroomError):
    """A capability answered with an error, as `capability-wire` section 7 writes it.

    ``visibility`` is ``Public`` or ``Private``, ``origin`` is ``User`` or ``System``, ``name`` is the code word such as
    ``InvalidArgument``, ``message`` the text of the far side.
    """

    def __init__(self, visibility: str, origin: str, name: str, message: str) -> None:
        super().__init__("SR-CAP-001", message, visibility=visibility, origin=origin, name=name)
        self.visibility = visibility
        self.origin = origin
        self.name = name
        self.message = message


class PluginAway(CapabilityError):
    """The plugin behind a capability is not there now, so nothing was called. ``details["plugin"]`` is its name.

    The message names the plugin and its state and may go to anybody; ``why``, its last error, may name files of this
    host and is for its operator.
    """

    def __init__(self, plugin: str, state: str, last_error: str) -> None:
        known = f"plugin {plugin} is {state}" if state else f"plugin {plugin} is away"
        message = f"capability unavailable: {known}; `strongroom plugin list` on the host says why and when it is tried"
        super().__init__("Public", "System", "Unavailable", message)
        self.code = "SR-CAP-008"
        self.why = last_error
        self.fix = "correct what `strongroom plugin list` shows as its last error; the host tries it again by itself"
        self.details = {**self.details, "plugin": plugin}

    def __str__(self) -> str:
        """The message alone: this text reaches guests."""
        return self.message


class GuestFault(StrongroomError):
    """A workflow broke its contract: it trapped, exited with an error, answered nothing or garbage."""


class NondeterministicGuest(GuestFault):
    """A guest that is run again did something else than its journal says. Carries ``step``."""


class TimedOut(StrongroomError):
    """A run or a call used up its time. ``details`` name the limit and its setting."""


class Cancelled(StrongroomError):
    """Someone asked to stop."""


class Internal(StrongroomError):
    """Our own bug. The log has more; the answer to a caller does not."""


class GuestSuspended(Exception):
    """A guest waited for longer than it may keep its runner. It was dropped, and can be run again to where it was.

    ``capabilities`` and ``secrets`` are the callback ids that it waits for, all of them; ``slot`` says that any answer
    may let it go on; ``sleep_until_unix_ns`` is when its sleep ends, 0 when it does not sleep; ``sleeps_done`` sleeps
    lie behind it.
    """

    def __init__(
        self,
        *,
        capabilities: tuple[int, ...] = (),
        secrets: tuple[int, ...] = (),
        slot: bool = False,
        sleep_until_unix_ns: int = 0,
        sleeps_done: int = 0,
    ) -> None:
        super().__init__("the guest waits")
        self.capabilities = capabilities
        self.secrets = secrets
        self.slot = slot
        self.sleep_until_unix_ns = sleep_until_unix_ns
        self.sleeps_done = sleeps_done
