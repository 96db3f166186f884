"""What runs on a pool on Google Cloud, and what follows for its group: script, port, load, replicas, roles."""

from dataclasses import dataclass, replace
from typing import Any

import pulumi

from elastic_iac.common.validation import boolean, is_literal, whole
from elastic_iac.gcp.instance_template import Launch
from elastic_iac.gcp.machines import Machine
from elastic_iac.gcp.pool_args import GcpGpuPoolArgs
from elastic_iac.workload import (
    GcpPlatform,
    Training,
    Workload,
    boot_output,
    load_of,
    settle_training,
    settle_workload,
)
from forecasting.errors import SettingsError

_WAYS = ("workload", "training", "startup_script")


@dataclass(frozen=True)
class Running:
    """What runs on an instance: a model server, a trainer, or what a script of the user's starts (None).

    Attributes:
        replicas: Of the server, on one instance.
        install_driver: Whether a Deep Learning VM image is to install its driver; the boot scripts of workloads do it themselves.
    """

    what: Workload | Training | None
    replicas: int
    install_driver: bool
    local_disks: bool

    @property
    def server(self) -> Workload | None:
        """The model server."""
        return self.what if isinstance(self.what, Workload) else None

    @property
    def trains(self) -> bool:
        """Whether instances are the nodes of a trainer."""
        return isinstance(self.what, Training)

    @property
    def roles(self) -> dict[str, str]:
        """Nodes find each other among the project's instances."""
        return {"nodes": "roles/compute.viewer"} if self.trains else {}

    def load(self, group_label: str) -> dict[str, Any] | None:
        """The load that the server on the group's instances publishes, as `GcpLoad`."""
        load = None if self.server is None else load_of(self.server)
        return None if load is None else load.gcp(group_label)

    def applied_to(self, launch: Launch, *, project: pulumi.Input[str], group_label: str) -> Launch:
        """What an instance is launched with, boot script included."""
        if self.what is None:
            return launch
        platform = pulumi.Output.from_input(project).apply(
            lambda known: GcpPlatform(project=known, group_label=group_label, local_disks=self.local_disks)
        )
        script = boot_output(self.what, platform)
        metadata = pulumi.Output.all(launch.metadata, script).apply(lambda both: {**both[0], "startup-script": both[1]})
        return replace(launch, metadata=metadata)


def settle_running(args: GcpGpuPoolArgs, machine: Machine, local_ssds: int) -> Running:
    """Check what is to run, and whether an instance has room for it.

    Raises:
        SettingsError: the first wrong literal; more than one thing to run.
    """
    given = [field for field in _WAYS if field in args]
    if len(given) > 1:
        raise SettingsError(given[1], f"beside {given[0]}", f"nothing: {given[0]} is what runs")
    workload, training = args.get("workload"), args.get("training")
    server = None if workload is None else settle_workload("workload", workload, cloud="gcp")
    trainer = None if training is None else settle_training("training", training, cloud="gcp")
    what = server or trainer
    return Running(
        what=what,
        replicas=_replicas(args, machine, server),
        install_driver=boolean("install_driver", args.get("install_driver", what is None)),
        local_disks=bool(local_ssds or machine.bundled_ssd_gib),
    )


def _replicas(args: GcpGpuPoolArgs, machine: Machine, server: Workload | None) -> int:
    given = args.get("replicas_per_instance")
    if server is None:
        return whole(1, machine.gpus)("replicas_per_instance", 1 if given is None else given)
    if given is not None:
        raise SettingsError("replicas_per_instance", given, "nothing beside workload: its gpus_per_replica says it")
    replicas = machine.gpus // server.gpus_per_replica
    if not replicas:
        expected = f"at most the {machine.gpus} GPUs of {args['machine_type']}"
        raise SettingsError("workload.gpus_per_replica", server.gpus_per_replica, expected)
    return replicas


def check_front(args: GcpGpuPoolArgs, running: Running) -> None:
    """Refuse a load balancer that asks at another port than the server's.

    Raises:
        SettingsError: the port is a literal, and another.
    """
    server, balancer = running.server, args.get("load_balancer")
    if balancer is None or server is None:
        return
    port = balancer["instance_port"]
    if is_literal(port) and port != server.port:
        raise SettingsError("load_balancer.instance_port", port, f"{server.port}, the workload's port")


def check_nodes(args: GcpGpuPoolArgs, running: Running) -> None:
    """Refuse fewer nodes than the trainer starts with; a pool of none is one at rest.

    Raises:
        SettingsError: their numbers are literals, and together too few.
    """
    if not isinstance(running.what, Training):
        return
    least = running.what.min_nodes
    requests = args.get("flex_start", {}).get("requests", {})
    nodes = list(requests.values()) if requests else [args.get("min_size", 0)]
    counts = [count for count in nodes if isinstance(count, int | float)]
    if len(counts) == len(nodes) and 0 < sum(counts) < least:
        field, value = ("flex_start.requests", requests) if requests else ("min_size", nodes[0])
        raise SettingsError(field, value, f"at least training.min_nodes, {least}, nodes: no fewer of them start")
