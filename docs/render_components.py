"""Write docs/components.md from the components' schema, so that it cannot drift: `python docs/render_components.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.provider.experimental.component import ComponentProvider
from pydantic.alias_generators import to_snake

import elastic_iac

TARGET = Path(__file__).parent / "components.md"

INTRODUCTION = """# Components

Written from the components' schema by `make generate`.

A component stands for a group and all that it needs. From Python:

```python
import pulumi
from elastic_iac import AwsAutoscalingGroup, AwsForecastJob

web = AwsAutoscalingGroup("web", {
    "vpc_id": vpc_id,
    "subnet_ids": subnet_ids,
    "instance_type": "m7i.large",
    "ami_ssm_parameter": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "min_size": 2,
    "max_size": 20,
    "load_balancer": {"instance_port": 8080, "health_check_path": "/health"},
    "user_data": START,  # a script that starts your program, which answers /health on 8080
    "target_tracking": [{"metric": "alb-requests", "target_value": 6000}],
    "forecast": {"load_per_instance": 100, "lead_time_seconds": 240},
})
AwsForecastJob("shop-job", {"fleets": [web.fleet], "alarm_emails": ["oncall@example.com"]})
```

From other languages the names are in camelCase: `pulumi package add PATH-OF-THIS-REPOSITORY` makes an SDK, YAML programs name the repository
under `packages`. (Run either from another folder: inside this repository the CLI finds two manifests and refuses.)

What a component does that one might not expect:

- **Minimum and desired size are set at creation only.** Afterwards the forecast job and the scaling policies own them; `max_size` follows every
  update. AWS refuses a maximum below the minimum that the job has set: lower `max_size` after `elastic-iac release`, or once the plan has fallen.
- **An image from a parameter is held.** It is resolved when the group is first deployed. When the parameter names another one, the deployment's log
  says so; `refresh_ami` true takes it. This holds for another parameter too.
- **A changed launch template replaces instances**, step by step and with a way back, unless `instance_refresh.enabled` is false. A changed tag on AWS
  replaces none; a changed label on Google Cloud replaces all, since it is in the immutable instance template.
- **A renamed component with an alias keeps its resources**: load balancers, addresses, accounts and groups keep their first names. The user
  data of a pool's `workload` or `training` names the pool, so its instances are replaced step by step.
- **Something must answer the health check.** A deployment warns if instances behind a load balancer start from a public image without `user_data` or
  `startup_script`: each of them would be replaced again and again.
- **One policy at least may scale in.** A floor only ever adds instances.
- **Nothing but the load balancer reaches the instances.** Shell access is Systems Manager's.
- **A job is run by its own deployment.** New settings, a changed floor among them, run it at once; then its schedule does.
- **Two stacks of one program may share an account.** Metrics and alarms of a job are told apart by its function's name, their texts by its bucket.
- **A job builds its function** where the zip is missing or stale, which takes minutes the first time and needs the package index;
  `package_path` names one that was built elsewhere. One for another processor, Python or cloud is refused.
- **`enabled` false leaves the schedule on.** The job says in its records that it is off, writes nothing, and its alarms tell nobody.
- **YAML programs give `fleet_count`.** There a list of outputs is one output, whose length is not known when resources are declared.

- **Target groups attached from elsewhere are left alone** without `load_balancer` and `target_group_arns`. Beside a load balancer
  name them in `target_group_arns`. Give an empty list in the deployment that removes `load_balancer`, so that its target group is detached.
- **All wrong arguments are reported at once**, each by its field, its value and what would be right.
- **Groups that no component declared** are served too: [existing groups](existing-groups.md).

An argument that is missing can be set by a [transform](https://www.pulumi.com/docs/iac/concepts/resources/options/transforms/), which changes any
input of any child before it is registered. It suits what has no consequence elsewhere: further tags of one resource, `force_delete`, a service-linked
role, access logs of the load balancer.

```python
def access_logs(args):
    if args.type_ == "aws:lb/loadBalancer:LoadBalancer":
        args.props["accessLogs"] = {"bucket": "shop-logs", "enabled": True}
    return pulumi.ResourceTransformResult(args.props, args.opts)

web = AwsAutoscalingGroup("web", {...}, pulumi.ResourceOptions(transforms=[access_logs]))
```

Of a pool of GPU instances, `AwsGpuPool`:

- **It is counted in replicas**: sizes, weights and `load_per_replica`. A replica is a GPU unless weights say otherwise; in Capacity Blocks, which
  take no weights, sizes are in instances.
- **The pool never goes to zero**, except outside its Capacity Blocks: a reactive policy has nothing to measure there.
- **A Capacity Block is opened and closed by the pool's own scheduled actions**, closed 40 minutes before its end. One that has begun when it is
  declared is opened a few minutes after the deployment; one that is over leaves the pool at the next. Deployments in between change nothing.
- **A reservation is named by the group**, so that growth beyond it goes on demand, or spot, instead of failing.
- **An instance that waits for its server is not in service**: the launch hook `elastic-iac-ready` is completed by it, or it is replaced.
- **Stopping wipes local disks.** A model that is kept there is fetched again when an instance leaves a warm pool.

On Google Cloud, where `GcpAutoscalingGroup` and `GcpForecastJob` have the same shape:

- **Floor and ceiling both follow every update.** The job writes scaling schedules beside them, which the component leaves alone.
- **An update of the autoscaler erases those schedules for a moment.** The provider writes it whole from its state. Then the group's `fleet` changes
  too, and with it the job's settings: the job runs and puts them back.
- **Instances have no public address.** What they fetch from outside needs a Cloud NAT in the subnetwork; shell access is OS Login through IAP.
- **An instance template is replaced, never changed.** The new one stands before the group leaves the old one, at the pace of `update_policy`.
- **A `mode` other than 'ON' never scales in**, so the job holds the fleet.
- **A job serves the groups of its own project**: its custom roles are the project's. It may write every autoscaler there, since Google Cloud grants
  none by name; which ones it writes, and between which floor and ceiling, its settings say.
- **A job's metrics are made from its log**, so it needs no permission to write any.
- **A pool of GPUs, `GcpGpuPool`, is counted in instances**, which the autoscaler counts; `load_per_replica` is of one server, and an
  instance runs as many of them as it has GPUs for. One pool has one kind of instance: a base on demand and spot above it are two pools.
- **A pool by request (`flex_start`) has no autoscaler**, so no floor, no `forecast` and no fleet. A new name under `requests` asks again.
- **Instances with GPUs never migrate**: they stop for their host's maintenance, restart or are replaced. Secure boot is off unless
  asked for, since drivers built at boot are not signed.
- **A shard is a group of its own**: it plans by its own load, and an update of one leaves the others alone.
- **The APIs must be enabled**: Compute, IAM, Cloud Functions, Cloud Run, Cloud Build, Artifact Registry, Cloud Scheduler, Pub/Sub, Logging,
  Monitoring, Cloud Storage, Cloud Resource Manager.
- **Projects created before April 2021** need one grant that newer ones have: `roles/iam.serviceAccountTokenCreator` for the service agent of Pub/Sub,
  `service-PROJECT_NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com`. Without it new settings do not run the job; its schedule does.
"""


def render() -> str:
    """The whole page."""
    components = [getattr(elastic_iac, name) for name in elastic_iac.__all__]
    schema = json.loads(ComponentProvider(components, "elastic-iac").schema or "{}")
    parts = [INTRODUCTION]
    for token, resource in schema["resources"].items():
        parts += [f"\n## {_name(token)}\n\n{_one_line(resource['description'])}\n"]
        parts += ["\n### Arguments\n", _table(resource["inputProperties"], resource["requiredInputs"])]
        parts += ["\n### Outputs\n", _table(resource["properties"], resource.get("required", []))]
    for token, kind in sorted(schema["types"].items()):
        parts += [
            f"\n## {_name(token)}\n\n{_one_line(kind['description'])}\n",
            _table(kind["properties"], kind["required"]),
        ]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _table(fields: Mapping[str, Any], required: list[str]) -> str:
    rows = [
        f"| `{to_snake(name)}`{' *' if name in required else ''} | {_type(field)} | {_one_line(field['description'])} |"
        for name, field in sorted(fields.items(), key=lambda item: (item[0] not in required, item[0]))
    ]
    return "\n".join(["", "| field (* always there) | type | |", "|---|---|---|", *rows])


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = _name(field["$ref"])
        return f"[{name}](#{name.lower()})"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        return f"map of {_type(field['additionalProperties'])}"
    return str(field["type"])


def _name(token: str) -> str:
    return token.rsplit(":", maxsplit=1)[-1]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
