"""What a host says that has no room for one more run."""

from strongroom.errors import Unavailable

__all__ = ["no_room"]


def no_room(code: str, what: str, limit: int, setting: str) -> Unavailable:
    """The refusal of a run that does not fit below ``limit``; ``what`` is what so many runs are."""
    return Unavailable(
        code,
        f"{limit} runs are {what}",
        why=f"the limit {setting} is {limit}",
        fix="try again in a moment, or raise the limit",
        limit=limit,
        setting=setting,
        retry_ms=1000,
    )
