"""The same plugin as a process: ``command: [python, -m, strongroom_consensus]``."""

from strongroom.plugin.serve import serve
from strongroom_consensus.plugin import ConsensusPlugin

if __name__ == "__main__":
    serve(ConsensusPlugin)
