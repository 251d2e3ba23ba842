"""The generated messages that plugin authors need, so that they import nothing else from the package."""

from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2
from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.pb.capabilities.networking.confidentialhttp.v1alpha import confidential_http_pb2
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.capabilities.scheduler.cron.v1 import cron_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.consensus.v1 import stored_pb2 as consensus_stored_pb2
from strongroom.pb.strongroom.kvstore.v1 import kvstore_pb2
from strongroom.pb.strongroom.kvstore.v1 import stored_pb2 as kvstore_stored_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.pb.strongroom.workspace.v1 import workspace_pb2
from strongroom.pb.values.v1 import values_pb2
from strongroom.pb.vault import vault_pb2

__all__ = [
    "action_and_trigger_pb2",
    "backend_pb2",
    "basic_action_pb2",
    "basic_trigger_pb2",
    "capabilities_pb2",
    "confidential_http_pb2",
    "confidential_workflow_pb2",
    "consensus_stored_pb2",
    "cron_pb2",
    "http_pb2",
    "kvstore_pb2",
    "kvstore_stored_pb2",
    "node_action_pb2",
    "runner_pb2",
    "sdk_pb2",
    "strongroom_vault_pb2",
    "values_pb2",
    "vault_pb2",
    "workspace_pb2",
]
