"""``python -I -m strongroom_confidential_workflows.enclave FD [CONFIGURATION_FD]`` is one enclave runner;
``… --listen ADDRESS --config FILE`` starts one for each connection, where the launcher ``external`` looks for them.

What listens is never part of a runner: only one of the two is imported.
"""

import gc
import sys

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdecimal():
        # What is imported stays, so it is not looked through for garbage.
        gc.disable()
        from strongroom_confidential_workflows.enclave import runner

        gc.freeze()
        gc.enable()
        runner.main(sys.argv[1:])
    else:
        from strongroom_confidential_workflows.launchers import listener

        listener.main(sys.argv[1:])
