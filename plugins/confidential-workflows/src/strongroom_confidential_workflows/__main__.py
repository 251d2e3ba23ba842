"""``python -m strongroom_confidential_workflows``: the plugin process, started by its host."""

from strongroom.plugin.serve import serve
from strongroom_confidential_workflows.plugin import ConfidentialWorkflowsPlugin

if __name__ == "__main__":
    serve(ConfidentialWorkflowsPlugin)
