"""What the job may do: permissions of the fleets at hand, each in a custom role, the bucket's bounded to prefixes.

Compute has no resource level for autoscalers (https://cloud.google.com/iam/docs/conditions-resource-attributes): a role that may write one of the
project may write all of them. Which ones, and between which floor and ceiling, is the job's own bound.
"""

from collections.abc import Sequence

from forecasting.settings import Fleet
from forecasting.settings.gcp import GcpTarget

BUILD_ROLES = {
    "logs": "roles/logging.logWriter",
    "images": "roles/artifactregistry.writer",
    "source": "roles/storage.objectViewer",
}
"""What a build account needs at least: https://cloud.google.com/functions/docs/securing/build-custom-sa"""

BUCKET_PERMISSIONS = {
    "read": ("storage.objects.get",),
    "write": ("storage.objects.create", "storage.objects.delete", "storage.objects.get"),
    "list": ("storage.objects.list",),
}
_SCALING_PERMISSIONS = (
    "compute.autoscalers.get",
    "compute.autoscalers.update",
    "compute.instanceGroupManagers.get",
    "compute.instanceGroupManagers.use",
    "monitoring.timeSeries.list",
)
_LAUNCH_PERMISSIONS = ("compute.instances.get",)
"""For fleets that plan by their launches (`Fleet.plans_by_launches`): how long they take."""
_OPERATIONS = {"regional": "compute.regionOperations.get", "zonal": "compute.zoneOperations.get"}


def scaling_permissions(fleets: Sequence[Fleet]) -> list[str]:
    """What reading the load, the launches where that is asked for, and writing the schedules of these fleets takes."""
    kinds = {fleet.target.kind for fleet in fleets if isinstance(fleet.target, GcpTarget)}
    launches = _LAUNCH_PERMISSIONS if any(fleet.plans_by_launches for fleet in fleets) else ()
    return sorted([*_SCALING_PERMISSIONS, *launches, *(_OPERATIONS[kind] for kind in kinds)])
