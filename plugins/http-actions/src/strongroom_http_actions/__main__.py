"""The plugin as a process: ``python -m strongroom_http_actions``."""

from strongroom.plugin.serve import serve
from strongroom_http_actions.plugin import HttpActionsPlugin

if __name__ == "__main__":
    serve(HttpActionsPlugin)
