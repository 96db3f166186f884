"""What runs on a pool on Google Cloud, and what follows for its group: script, port, load, replicas, roles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi

from elastic_iac.common.parsing import Problems, parse
from elastic_iac.common.schema.base import Value
from elastic_iac.common.schema.gcp import GcpLoad, GcpLoadBalancer
from elastic_iac.common.schema.gcp_gpu_pool import GcpGpuPoolArgs
from elastic_iac.common.validation import is_literal
from elastic_iac.gcp.gpu_pool.machine_types import Machine
from elastic_iac.gcp.health import HealthCheck, healing_check
from elastic_iac.gcp.instance_template import Launch
from elastic_iac.workload import (
    GcpPlatform,
    Training,
    Workload,
    boot_output,
    load_of,
    resolve_training,
    resolve_workload,
)

_READS_OBJECTS, _WRITES_OBJECTS = "roles/storage.objectViewer", "roles/storage.objectUser"
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
    def roles(self) -> Mapping[str, Value[str]]:
        """Nodes find each other among the project's instances."""
        return {"nodes": "roles/compute.viewer"} if self.trains else {}

    @property
    def folders(self) -> Mapping[str, tuple[pulumi.Input[str], str]]:
        """Folders in Cloud Storage with the role that the instances need on their bucket, and on no other."""
        model = None if self.server is None else self.server.model
        checkpoint = self.what.checkpoint if isinstance(self.what, Training) else None
        wanted = {"model": (model, _READS_OBJECTS), "checkpoint": (checkpoint, _WRITES_OBJECTS)}
        return {key: (folder, role) for key, (folder, role) in wanted.items() if folder is not None}

    def load(self, group_label: str) -> GcpLoad | None:
        """The load that the server on the group's instances publishes."""
        load = None if self.server is None else load_of(self.server)
        return None if load is None else parse(GcpLoad, load.gcp(group_label))

    def health_check(self, args: GcpGpuPoolArgs, balancer: GcpLoadBalancer | None) -> HealthCheck | None:
        """The check by which instances are replaced: the one given, the server's, or the load balancer's."""
        if args.health_check is None and self.server is not None:
            return HealthCheck(self.server.port, self.server.health_path)
        return healing_check(args.health_check, balancer)

    def load_balancer(self, args: GcpGpuPoolArgs, problems: Problems) -> GcpLoadBalancer | None:
        """The load balancer, which asks at the server's path by default, and at no other port than its."""
        server, balancer = self.server, args.load_balancer
        if balancer is None or server is None:
            return balancer
        port = balancer.instance_port
        if is_literal(port) and port != server.port:
            problems.refuse("load_balancer.instance_port", port, f"{server.port}, the workload's port")
        if "health_check_path" in balancer.model_fields_set:
            return balancer
        return balancer.model_copy(update={"health_check_path": server.health_path})

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


def configure_running(args: GcpGpuPoolArgs, machine: Machine, problems: Problems) -> Running:
    """What is to run, if an instance has room for it."""
    given = [field for field in _WAYS if getattr(args, field) is not None]
    if len(given) > 1:
        problems.refuse(given[1], f"beside {given[0]}", f"nothing: {given[0]} is what runs")
    server: Workload | None = None
    trainer: Training | None = None
    with problems.collect():
        server = args.workload and resolve_workload("workload", args.workload, cloud="gcp")
        trainer = args.training and resolve_training("training", args.training, cloud="gcp")
    what = server or trainer
    return Running(
        what=what,
        replicas=_replicas(args, machine, server, problems),
        install_driver=what is None if args.install_driver is None else args.install_driver,
        local_disks=bool(args.local_ssds or machine.bundled_ssd_gib),
    )


def _replicas(args: GcpGpuPoolArgs, machine: Machine, server: Workload | None, problems: Problems) -> int:
    given = args.replicas_per_instance
    if server is None:
        if given is not None and given > machine.gpus:
            expected = f"a whole number from 1 to {machine.gpus}, the GPUs of {args.machine_type}"
            problems.refuse("replicas_per_instance", given, expected)
        return given or 1
    if given is not None:
        problems.refuse("replicas_per_instance", given, "nothing beside workload: its gpus_per_replica decides it")
    if server.gpus_per_replica > machine.gpus:
        expected = f"at most the {machine.gpus} GPUs of {args.machine_type}"
        problems.refuse("workload.gpus_per_replica", server.gpus_per_replica, expected)
    return max(1, machine.gpus // server.gpus_per_replica)


def check_nodes(args: GcpGpuPoolArgs, running: Running, problems: Problems) -> None:
    """Refuse fewer nodes than the trainer starts with; a pool of none is one at rest."""
    if not isinstance(running.what, Training):
        return
    least = running.what.min_nodes
    requests = {} if args.flex_start is None else args.flex_start.requests
    nodes = list(requests.values()) if requests else [args.min_size or 0]
    counts = [count for count in nodes if isinstance(count, int)]
    if len(counts) == len(nodes) and 0 < sum(counts) < least:
        field, value = ("flex_start.requests", sum(counts)) if requests else ("min_size", nodes[0])
        problems.refuse(field, value, f"at least training.min_nodes, {least}, nodes: no fewer of them start")
