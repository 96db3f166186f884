"""What the job may do: permissions of the fleets at hand, each in a custom role, the bucket's bounded to prefixes.

Compute has no resource level for autoscalers (https://cloud.google.com/iam/docs/conditions-resource-attributes): a role that may write one of the
project may write all of them. Which ones, and between which floor and ceiling, is the job's own bound.
"""

import re
from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from elastic_iac.gcp.forecast_job.bucket import STORE_PREFIX, settings_key
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


def custom_role_args(
    bucket: pulumi.Output[str], key: str, title: str, permissions: pulumi.Input[Sequence[pulumi.Input[str]]]
) -> gcp.projects.IAMCustomRoleArgs:
    """A role of these permissions.

    A deleted role keeps its id for up to 37 days, so a stack that is destroyed and deployed again needs another id. The
    automatic name of the job's bucket is new each time it is made, unique everywhere, and survives a rename by an alias.
    """
    role_id = bucket.apply(lambda name: f"{re.sub('[^a-zA-Z0-9]', '_', name)}_may_{key}")
    return gcp.projects.IAMCustomRoleArgs(role_id=role_id, title=title, permissions=permissions, stage="GA")


def bucket_conditions(bucket: pulumi.Output[str], job: str) -> dict[str, gcp.storage.BucketIAMMemberConditionArgs]:
    """Where in the bucket the job may read its settings and where it keeps its records, by what it may do there."""

    def under(title: str, prefix: str) -> gcp.storage.BucketIAMMemberConditionArgs:
        expression = bucket.apply(
            lambda name: f'resource.name.startsWith("projects/_/buckets/{name}/objects/{prefix}")'
        )
        return gcp.storage.BucketIAMMemberConditionArgs(title=title, expression=expression)

    return {"read": under("its settings", settings_key(job)), "write": under("the records", f"{STORE_PREFIX}/")}
