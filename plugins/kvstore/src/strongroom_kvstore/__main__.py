"""The same plugin as a process: ``command: [python, -m, strongroom_kvstore]``."""

from strongroom.plugin.serve import serve
from strongroom_kvstore.plugin import KvStorePlugin

if __name__ == "__main__":
    serve(KvStorePlugin)
