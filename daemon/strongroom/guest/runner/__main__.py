"""``python -I -m strongroom.guest.runner FD``: one runner, serving the host at the other end of an inherited socket."""

import sys

from strongroom.guest.runner.process import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]))
