"""Values of secrets that a host holds as text from its start, told to the redaction before anything is opened.

Root secrets are not among them: they never leave ``crypto`` as text, and a pattern would be one more copy of them.
"""

from strongroom.settings.model import Settings
from strongroom.storage.engines import parse_url
from strongroom.telemetry.redaction import Redaction

__all__ = ["register_known"]


def register_known(redaction: Redaction, settings: Settings) -> None:
    """The password in the URL of the database. What plugins are given is registered where they are made."""
    if settings.database_url:
        password = parse_url(settings.database_url).password
        if password:
            redaction.register(str(password))
