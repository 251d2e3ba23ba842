"""``python -m strongroom_confidential_workflows``: the plugin process, started by its host; with ``tpm`` first, what
``tpm_commands`` has."""

import gc
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["tpm"]:
        from strongroom_confidential_workflows.tpm_commands import main

        sys.exit(main(sys.argv[2:]))
    gc.disable()  # what is imported stays; `serve` has garbage looked for again
    from strongroom.plugin.serve import serve
    from strongroom_confidential_workflows.plugin import ConfidentialWorkflowsPlugin

    serve(ConfidentialWorkflowsPlugin)
