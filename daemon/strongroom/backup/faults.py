"""What is wrong with a file that is to be a backup, or with the place that it is to go to."""

from strongroom.errors import InvalidInput

__all__ = ["cut", "damaged", "not_a_backup"]

ANOTHER = "take another backup; nothing of this one was used, and nothing was written"


def not_a_backup(why: str) -> InvalidInput:
    """The file does not begin as a backup does."""
    return InvalidInput(
        "SR-BACKUP-001", "this is no backup of strongroom", why=why, fix="name the file of a backup", field="PATH"
    )


def damaged(code: str, what: str, why: str) -> InvalidInput:
    """The file was a backup, and something of it is not as it was made."""
    return InvalidInput(code, what, why=why, fix=ANOTHER, field="PATH")


def cut(why: str) -> InvalidInput:
    """The file has another size than its manifest says."""
    return damaged("SR-BACKUP-005", "the backup is cut off, or has more than it should", why)
