"""Puts the gate of restrictions and quotas before what the guest of one phase of a run asks of its host."""

from strongroom.engine.limits import EngineLimits
from strongroom.engine.specs import Spec
from strongroom.guest.ids import owner_checksum
from strongroom.modules.module import ExecutionHelper
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["quota_limits", "restricted"]


def restricted(
    helper: ExecutionHelper, spec: Spec, limits: EngineLimits, restrictions: sdk_pb2.Restrictions | None = None
) -> RestrictedHelper:
    """``helper`` behind a gate of its own: what was counted before, in another phase or process, counts anew."""
    return RestrictedHelper(
        helper,
        owner=owner_checksum(spec.row.workflow_owner),
        quotas=Quotas(quota_limits(limits)),
        ledger=None if restrictions is None else Ledger(restrictions),
    )


def quota_limits(limits: EngineLimits) -> QuotaLimits:
    """The limits of one run among those of the engine, by equal name."""
    return QuotaLimits(**{name: getattr(limits, name) for name in QuotaLimits.__dataclass_fields__})
