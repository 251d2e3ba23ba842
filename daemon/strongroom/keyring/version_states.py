"""The life of one key version, as a table.

Rule 1: every way it changes state is a row here.
Rule 2: nothing here does I/O; callers act on the state they get back.
Rule 3: a version never goes back: it is not promoted again once another one was, and its number is never given twice.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from strongroom.errors import WrongState

__all__ = ["TRANSITIONS", "VersionEvent", "VersionState", "state_of", "step"]


class VersionState(StrEnum):
    """Where a version stands."""

    ABSENT = "absent"
    """No keyring of this database ever had it."""
    HELD = "held"
    """It reads, and waits above the one that writes until it is promoted."""
    PROMOTED = "promoted"
    """It writes; so does the highest where nothing was ever promoted."""
    SUPERSEDED = "superseded"
    """A higher one writes. It reads until nothing needs it."""
    RETIRED = "retired"
    """Nothing needs it. The keyring may be without it, and its number is used up."""


class VersionEvent(StrEnum):
    """What happens to it."""

    OFFER = "offer"
    """The keyring has it, at a start or a reload."""
    PROMOTE = "promote"
    OVERTAKE = "overtake"
    """A higher version is promoted, or was before this one came."""
    RETIRE = "retire"
    WITHDRAW = "withdraw"
    """The keyring has it no more."""


_S, _E = VersionState, VersionEvent
TRANSITIONS: Final[Mapping[VersionState, Mapping[VersionEvent, VersionState]]] = {
    _S.ABSENT: {_E.OFFER: _S.HELD, _E.WITHDRAW: _S.ABSENT, _E.OVERTAKE: _S.ABSENT},
    _S.HELD: {
        _E.OFFER: _S.HELD,
        _E.PROMOTE: _S.PROMOTED,
        _E.OVERTAKE: _S.SUPERSEDED,
    },
    _S.PROMOTED: {_E.OFFER: _S.PROMOTED, _E.PROMOTE: _S.PROMOTED, _E.OVERTAKE: _S.SUPERSEDED},
    _S.SUPERSEDED: {_E.OFFER: _S.SUPERSEDED, _E.OVERTAKE: _S.SUPERSEDED, _E.RETIRE: _S.RETIRED},
    # Offered again it reads once more, and the host says so; it never writes.
    _S.RETIRED: {
        _E.OFFER: _S.RETIRED,
        _E.OVERTAKE: _S.RETIRED,
        _E.RETIRE: _S.RETIRED,
        _E.WITHDRAW: _S.RETIRED,
    },
}

_WHY: Final[Mapping[VersionEvent, Mapping[VersionState, tuple[str, str]]]] = {
    _E.PROMOTE: {
        _S.ABSENT: ("the keyring that this host holds has no such version", "add it: strongroom keys add"),
        _S.SUPERSEDED: ("a higher version writes already", "add a new version and promote that: strongroom keys add"),
        _S.RETIRED: ("it was retired", "add a new version and promote that: strongroom keys add"),
    },
    _E.RETIRE: {
        _S.ABSENT: ("this host never had it", "strongroom keys status shows the versions that there are"),
        _S.HELD: ("it may still be promoted", "promote it or a higher one first: strongroom keys promote"),
        _S.PROMOTED: ("it writes", "add another version and promote that first: strongroom keys add"),
    },
    _E.WITHDRAW: {
        _S.HELD: ("this database knows it", "put it back; what nobody needs is retired first: strongroom keys retire"),
        _S.PROMOTED: ("it writes", "put it back"),
        _S.SUPERSEDED: ("things may be sealed under it", "put it back, and retire it first: strongroom keys retire"),
    },
}
_DONE: Final = {_E.PROMOTE: "promoted", _E.RETIRE: "retired", _E.WITHDRAW: "left out of the keyring"}


def step(state: VersionState, event: VersionEvent, *, version: int = 0) -> VersionState:
    """The state after ``event``. Raises ``WrongState`` when the table has no such row; ``version`` is named in it."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        why, fix = _WHY[event][state]
        raise WrongState(
            "SR-KEY-020",
            f"key version {version} cannot be {_DONE[event]}",
            why=why,
            fix=fix,
            key_version=version,
            state=state.value,
        ) from None


def state_of(version: int, *, known: bool, writing: int, retired: bool) -> VersionState:
    """Where ``version`` stands: ``known`` to the database or offered, beside the version that is ``writing``."""
    if not known:
        return _S.ABSENT
    if retired:
        return _S.RETIRED
    if version == writing:
        return _S.PROMOTED
    return _S.SUPERSEDED if version < writing else _S.HELD
