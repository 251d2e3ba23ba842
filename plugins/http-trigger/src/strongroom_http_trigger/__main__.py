"""The plugin as a process: ``python -m strongroom_http_trigger``."""

from strongroom.plugin.serve import serve
from strongroom_http_trigger.plugin import HttpTriggerPlugin

if __name__ == "__main__":
    serve(HttpTriggerPlugin)
