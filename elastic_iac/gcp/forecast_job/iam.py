"""What the job may do: permissions of the fleets at hand, each in a custom role, the bucket's bounded to prefixes.

Compute has no resource level for autoscalers (https://cloud.google.com/iam/docs/conditions-resource-attributes): a role that may write one of the
project may write all of them. Which ones, and between which floor and ceiling, is the job's own bound.
"""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from elastic_iac.gcp.forecast_job.bucket import STORE_PREFIX, settings_key
from elastic_iac.gcp.identity import unique_id
from forecasting.settings import Fleet
from forecasting.settings.gcp import GcpTarget

BUILD_ROLES = {
    "logs": "roles/logging.logWriter",
    "images": "roles/artifactregistry.writer",
    "source": "roles/storage.objectViewer",
}
"""What a build account needs at least: https://cloud.google.com/functions/docs/securing/build-custom-sa"""

READ_PERMISSIONS = ("storage.objects.get",)
WRITE_PERMISSIONS = ("storage.objects.create", "storage.objects.delete", "storage.objects.get")
LIST_PERMISSIONS = ("storage.objects.list",)
_SCALING_PERMISSIONS = (
    "compute.autoscalers.get",
    "compute.autoscalers.update",
    "compute.instanceGroupManagers.use",
    "monitoring.timeSeries.list",
)
_LAUNCH_PERMISSIONS = ("compute.instanceGroupManagers.get", "compute.instances.get")
"""For fleets whose launches are read (`Fleet.watches_launches`): how long they take, and what the cloud refuses."""
_OPERATIONS = {"regional": "compute.regionOperations.get", "zonal": "compute.zoneOperations.get"}


def scaling_permissions(fleets: Sequence[Fleet]) -> list[str]:
    """What reading the load, the launches where that is asked for, and writing the schedules of these fleets takes."""
    kinds = {fleet.target.kind for fleet in fleets if isinstance(fleet.target, GcpTarget)}
    launches = _LAUNCH_PERMISSIONS if any(fleet.watches_launches for fleet in fleets) else ()
    return sorted([*_SCALING_PERMISSIONS, *launches, *(_OPERATIONS[kind] for kind in kinds)])


def custom_role_args(
    name: str, title: str, permissions: pulumi.Input[Sequence[pulumi.Input[str]]]
) -> gcp.projects.IAMCustomRoleArgs:
    """A role of these permissions; its id is unique to the stack, since a deleted role keeps its id for weeks."""
    return gcp.projects.IAMCustomRoleArgs(
        role_id=unique_id(name).replace("-", "_"), title=title, permissions=permissions, stage="GA"
    )


def bucket_conditions(bucket: pulumi.Output[str], job: str) -> dict[str, gcp.storage.BucketIAMMemberConditionArgs]:
    """Where in the bucket the job may read its settings and where it keeps its records, by what it may do there."""

    def under(title: str, prefix: str) -> gcp.storage.BucketIAMMemberConditionArgs:
        expression = bucket.apply(
            lambda name: f'resource.name.startsWith("projects/_/buckets/{name}/objects/{prefix}")'
        )
        return gcp.storage.BucketIAMMemberConditionArgs(title=title, expression=expression)

    return {"read": under("its settings", settings_key(job)), "write": under("the records", f"{STORE_PREFIX}/")}
