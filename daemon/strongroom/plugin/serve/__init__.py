"""``serve(factory)`` is the ``main()`` of a process plugin."""

import gc
import os
import sys
from collections.abc import Callable

from strongroom.plugin.serve.wire import COOKIES

__all__ = ["serve"]


def serve(factory: Callable[..., object]) -> None:
    """Serve the plugin that ``factory(**config)`` builds, until the host says that it is enough.

    Started by hand, this prints what the program is and exits with 1. A program may switch the search for garbage off
    while it is loaded: here it is switched on, and passes over all that was there by then.
    """
    if not any(os.environ.get(name) == value for name, value in COOKIES.items()):
        sys.stderr.write(
            "This binary is a plugin. These are not meant to be executed directly.\n"
            "Please execute the program that consumes these plugins, which will\n"
            "load any plugins automatically\n"
        )
        sys.exit(1)
    from strongroom.plugin.serve.process import PluginProcess

    gc.freeze()
    gc.enable()
    PluginProcess(factory).run()
