"""The same plugin as a process: ``command: [python, -m, strongroom_basic_test]``."""

from strongroom.plugin.serve import serve
from strongroom_basic_test.plugin import BasicTest

if __name__ == "__main__":
    serve(BasicTest)
