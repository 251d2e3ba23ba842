"""What keeps a session from showing its bearer, and whether asking again is of use."""

from strongroom.errors import Forbidden, StrongroomError, Unavailable

__all__ = ["is_final", "not_confirmed", "reauth_required"]


def is_final(error: StrongroomError) -> bool:
    """Whether asking again is useless until somebody signs in."""
    return isinstance(error, Forbidden) or error.code in {"SR-SESSION-014", "SR-SESSION-015"}


def reauth_required(server: str) -> Unavailable:
    return Unavailable(
        "SR-SESSION-015",
        f"{server} has refused the grant of this session",
        why="it ended, or was withdrawn; workspaces go on with the keys they have",
        fix="sign in again with `strongroom workspace sign-in`",
        server=server,
    )


def not_confirmed(server: str) -> Unavailable:
    return Unavailable(
        "SR-SESSION-016",
        f"{server} has not confirmed the owner since this host started",
        why="until then no request carries the bearer",
        fix="nothing: it is asked again and again; workspaces work with the cached keys meanwhile",
        server=server,
    )
