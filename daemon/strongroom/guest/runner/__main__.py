"""``python -I -m strongroom.guest.runner FD [DIRECTORY]``: one runner, serving the host at the other end of a socket.

Both are numbers of inherited descriptors; the second is that of the directory of code, where there is one.
"""

import sys

from strongroom.guest.runner.process import serve

if __name__ == "__main__":
    serve(*map(int, sys.argv[1:3]))
