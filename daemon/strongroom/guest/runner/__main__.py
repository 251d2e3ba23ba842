"""``python -I -m strongroom.guest.runner FD [DIRECTORY]``: one runner, serving the host at the other end of a socket.

Both are numbers of inherited descriptors; the second is that of the directory of code, where there is one.
"""

import gc
import sys

if __name__ == "__main__":
    # What is imported stays, so it is not looked through for garbage.
    gc.disable()
    from strongroom.guest.runner.process import serve

    gc.freeze()
    gc.enable()
    serve(*map(int, sys.argv[1:3]))
