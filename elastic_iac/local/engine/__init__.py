"""The embedded engine: the same Pulumi program, declared without the Pulumi CLI and created in an emulated cloud.

with local_aws(...) as aws:
    deployment = provision_stack(aws, "local")
    fleets = deployment.outputs["fleets"]
"""

from elastic_iac.local.engine.deployment import Cloud, Deployment, EngineError, ProjectError, Resource, Unproven
from elastic_iac.local.engine.google import GoogleCloud
from elastic_iac.local.engine.project import provision_stack, read_project
from elastic_iac.local.engine.run import up

__all__ = [
    "Cloud",
    "Deployment",
    "EngineError",
    "GoogleCloud",
    "ProjectError",
    "Resource",
    "Unproven",
    "provision_stack",
    "read_project",
    "up",
]
