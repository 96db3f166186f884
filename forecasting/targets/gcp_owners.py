"""Other owners of a managed instance group, recognised by its name and its autoscaler's policy.

| kind | recognised by | writes | the job |
|---|---|---|---|
| gke-node-pool | a group named `gke-CLUSTER-POOL-...-grp` | target size, by a minimum and maximum of its own | holds |
| predictive-autoscaling | cpuUtilization.predictiveMethod OPTIMIZE_AVAILABILITY | the recommended size | warns |

Sources and combinations: `docs/other-owners.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from forecasting.schedule.other_owner import OtherOwner

_NODE_POOL = re.compile(r"gke-.+-grp")


def find_owners(group: str, autoscaler: Mapping[str, Any]) -> tuple[OtherOwner, ...]:
    """The group's other owners, those that hold first.

    Args:
        group: The managed instance group's name.
        autoscaler: As autoscalers.get shows it.
    """
    return (*_node_pool(group), *_predictive(autoscaler.get("autoscalingPolicy", {})))


def _node_pool(group: str) -> Iterator[OtherOwner]:
    if _NODE_POOL.fullmatch(group):
        yield OtherOwner(
            "gke-node-pool",
            f"GKE node pool, by the group's name {group!r}",
            "GKE resizes the group by pods within the pool's own minimum and maximum, so two autoscalers set one target size",
            "set the pool's minimum in GKE, and remove the Compute Engine autoscaler from its group",
            holds=True,
        )


def _predictive(policy: Mapping[str, Any]) -> Iterator[OtherOwner]:
    """API, AutoscalingPolicyCpuUtilization.predictiveMethod."""
    cpu: Mapping[str, Any] = policy.get("cpuUtilization", {})
    if cpu.get("predictiveMethod") == "OPTIMIZE_AVAILABILITY" and policy.get("mode", "ON") != "OFF":
        yield OtherOwner(
            "predictive-autoscaling",
            "the autoscaler's own predictive mode (OPTIMIZE_AVAILABILITY)",
            "it scales out ahead by a forecast of CPU, so the group runs the greater of two forecasts",
            "set cpuUtilization.predictiveMethod to NONE, or disable this fleet",
        )
