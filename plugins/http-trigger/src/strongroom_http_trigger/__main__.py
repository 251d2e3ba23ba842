"""The plugin as a process: ``python -m strongroom_http_trigger``."""

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported stays; `serve` has garbage looked for again
    from strongroom.plugin.serve import serve
    from strongroom_http_trigger.plugin import HttpTriggerPlugin

    serve(HttpTriggerPlugin)
