from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from elastic_iac.aws.gpu_pool.instance_types import FAMILIES, gpu_type
from forecasting.errors import SettingsError
from tests.group_args import later
from tests.pool_args import BLOCKS, MAXIMAL, MINIMAL, SHARDED, changed, component, forecast
from tests.recording import record

from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs  # isort: skip - after the import that quiets the SDK

NO_HOSTS = {"host_resource_group_arn": "hosts"}
HOSTS = {"host_resource_group_arn": "arn:aws:resource-groups:eu-central-1:111122223333:group/hosts"}
SPOT = {"on_demand_base_capacity": 0}
WARM = {"max_group_prepared_capacity": 2}


def types(*names: str, **weight: Any) -> list[dict[str, Any]]:
    return [{"instance_type": name, **weight} for name in names]


def with_block(**changes: Any) -> AwsGpuPoolArgs:
    """The pool of Blocks, the first Block changed."""
    args: Any = copy.deepcopy(BLOCKS)
    args["capacity_blocks"][0] |= changes
    return cast("AwsGpuPoolArgs", args)


def with_shard(**changes: Any) -> AwsGpuPoolArgs:
    """The sharded pool, the second shard changed."""
    args: Any = copy.deepcopy(SHARDED)
    args["shards"][1] |= changes
    return cast("AwsGpuPoolArgs", args)


IMPOSSIBLE: list[tuple[str, str, AwsGpuPoolArgs]] = [
    # a Capacity Block is one type, one zone, and paid for
    ("spot", "a pool of its own", changed(BLOCKS, spot=SPOT)),
    ("reservation", "a pool of their own", changed(BLOCKS, reservation={"preference": "capacity-reservations-first"})),
    ("dedicated_hosts", "shared hosts", changed(BLOCKS, dedicated_hosts=HOSTS)),
    ("warm_pool", "place in the Block", changed(BLOCKS, warm_pool=WARM)),
    ("shards", "a pool with Blocks", changed(BLOCKS, shards=SHARDED.get("shards"))),
    ("min_size", "min_instances", changed(BLOCKS, min_size=1)),
    ("max_size", "instances", changed(BLOCKS, max_size=1)),
    ("desired_capacity", "empty", changed(BLOCKS, desired_capacity=1)),
    ("subnet_ids", "exactly one subnet", changed(BLOCKS, subnet_ids=["subnet-0a", "subnet-0b"])),
    ("instance_types", "the one type", changed(BLOCKS, instance_types=types("p4d.24xlarge", "p5.48xlarge"))),
    ("instance_types[0].instance_type", "p4d to p6-b200", changed(BLOCKS, efa=None, instance_types=types("g5.xlarge"))),
    ("instance_types[0].weight", "count instances", changed(BLOCKS, instance_types=types("p5.48xlarge", weight=8))),
    ("capacity_blocks[0].instances", "from 1 to 64", with_block(instances=65)),
    ("capacity_blocks[0].min_instances", "from 0 to 8", with_block(min_instances=9)),
    ("capacity_blocks[0].end", "more than 0:40:00 after start", with_block(end="2026-11-25T12:10:00Z")),
    ("capacity_blocks[0].start", "UTC offset", with_block(start="2026-11-25T11:30:00")),
    ("capacity_blocks[0].start", "UTC offset", with_block(start="tomorrow")),
    ("capacity_blocks[0].capacity_reservation_id", "cr-", with_block(capacity_reservation_id="b-1")),
    ("capacity_blocks", "one Block at a time", with_block(start="2026-11-24T11:00:00Z")),
    ("capacity_blocks", "stays when it is over", changed(BLOCKS, capacity_blocks=[])),
    ("forecast.on_demand_quantile", "no on-demand base", changed(BLOCKS, forecast=forecast(BLOCKS, on_demand_quantile=0.2))),
    # adapters, hosts and clusters are only in some places
    ("instance_types[1].instance_type", "Elastic Fabric Adapters", changed(MINIMAL, efa=True, instance_types=types("g5.8xlarge", "g5.xlarge"))),
    ("instance_types[0].instance_type", "p4d.24xlarge", changed(MINIMAL, dedicated_hosts=HOSTS)),
    ("spot", "no spot instances", changed(MINIMAL, dedicated_hosts=HOSTS, spot=SPOT)),
    ("cluster_placement", "no Dedicated Hosts", changed(MINIMAL, dedicated_hosts=HOSTS, cluster_placement=True)),
    ("reservation", "own reservation", changed(MAXIMAL, dedicated_hosts=HOSTS, spot=None)),
    ("subnet_ids", "exactly one subnet", changed(MAXIMAL, subnet_ids=["subnet-0a", "subnet-0b"])),
    ("load_balancer.subnet_ids", "two or more", changed(MINIMAL, load_balancer={"instance_port": 80})),
    # weights
    ("instance_types[1].weight", "or none on any", changed(MINIMAL, instance_types=[*types("g5.xlarge", weight=1), *types("g6.xlarge")])),
    ("instance_types[0].weight", "or none on any", changed(MINIMAL, instance_types=[*types("g5.xlarge"), *types("g6.xlarge", weight=1)])),
    ("instance_types[0].weight", "from 1 to 999", changed(MINIMAL, instance_types=types("g5.xlarge", weight=0))),
    # warm pools
    ("spot", "a pool of its own", changed(MINIMAL, spot=SPOT, warm_pool=WARM)),
    ("instance_types[0].weight", "counts instances", changed(MINIMAL, instance_types=types("g5.xlarge", weight=1), warm_pool=WARM)),
    ("instance_types[1].instance_type", "runs 1 replicas", changed(MINIMAL, instance_types=types("g5.xlarge", "g5.12xlarge"), warm_pool=WARM)),
    (
        "warm_pool.pool_state",
        "'Stopped' or 'Running': p4d.24xlarge has 1152 GiB of memory, and at most 150",
        changed(MINIMAL, instance_types=types("g5.48xlarge", "p4d.24xlarge"), warm_pool={**WARM, "pool_state": "Hibernated"}),
    ),
    (
        "warm_pool.pool_state",
        "'Stopped' or 'Running': g6.xlarge cannot hibernate",
        changed(MINIMAL, warm_pool={**WARM, "pool_state": "Hibernated"}),
    ),
    # reservations and spot
    (
        "reservation.preference",
        "'capacity-reservations-first' beside spot",
        changed(MAXIMAL, reservation={"preference": "capacity-reservations-only", "capacity_reservation_ids": ["cr-0a"]}),
    ),
    ("reservation.capacity_reservation_ids", "one or more", changed(MINIMAL, reservation={"preference": "capacity-reservations-first"})),
    ("capacity_rebalance", "nothing without spot", changed(MINIMAL, capacity_rebalance=True)),
    # the default image has the open driver
    ("ami_ssm_parameter", "proprietary driver", changed(MINIMAL, instance_types=types("g5.xlarge", "p3.2xlarge"))),
    # a closing that is two minutes late leaves eight
    (
        "load_balancer.deregistration_delay_seconds",
        "at most 480",
        changed(BLOCKS, load_balancer={"instance_port": 80, "subnet_ids": ["subnet-0c", "subnet-0d"], "deregistration_delay_seconds": 481}),
    ),
    # shards do not follow one load
    (
        "forecast.load.dimensions",
        "a `load` of its own for each of en, fr",
        changed(
            SHARDED,
            shards=[*SHARDED.get("shards", []), {"name": "fr", "min_size": 1, "max_size": 2}],
            forecast=forecast(SHARDED, load={"namespace": "Serving", "metric_name": "Tokens", "dimensions": {"Pool": "llm"}}),
        ),
    ),
    # shards have sizes of their own
    ("min_size", "each shard has its own", changed(SHARDED, min_size=1)),
    ("max_size", "each shard has its own", changed(SHARDED, max_size=1)),
    ("desired_capacity", "each begins at its min_size", changed(SHARDED, desired_capacity=1)),
]  # fmt: skip

WRONG: list[tuple[str, AwsGpuPoolArgs]] = [
    ("min_sizes", changed(MINIMAL, min_sizes=2)),
    ("vpc_id", changed(MINIMAL, vpc_id="10.0.0.0/16")),
    ("subnet_ids", changed(MINIMAL, subnet_ids=[])),
    ("subnet_ids", changed(MINIMAL, subnet_ids=["subnet-0a", "subnet-0a"])),
    ("instance_types", changed(MINIMAL, instance_types=[])),
    ("instance_types", changed(MINIMAL, instance_types="g5.xlarge")),
    ("instance_types[0].instance_type", changed(MINIMAL, instance_types=types("m7i.large"))),
    ("instance_types[0].instance_type", changed(MINIMAL, instance_types=types("g5.3xlarge"))),
    ("instance_types[0].instance_type", changed(MINIMAL, instance_types=types("g5"))),
    ("instance_types[1].instance_type", changed(MINIMAL, instance_types=types("g5.xlarge", "g5.xlarge"))),
    ("instance_types[0].gpus", changed(MINIMAL, instance_types=types("g5.xlarge", gpus=1))),
    ("min_size", changed(MINIMAL, min_size=0)),
    ("min_size", changed(MINIMAL, min_size=None)),
    ("max_size", changed(MINIMAL, max_size=None)),
    ("max_size", changed(MINIMAL, min_size=5)),
    ("desired_capacity", changed(MINIMAL, desired_capacity=9)),
    ("forecast", changed(MINIMAL, forecast=None)),
    ("forecast.load_per_replica", changed(MINIMAL, forecast=forecast(load_per_replica=None))),
    ("forecast.load_per_replica", changed(MINIMAL, forecast=forecast(load_per_replica=-1))),
    ("forecast.load_per_instance", changed(MINIMAL, forecast=forecast(load_per_instance=1))),
    ("forecast.load", changed(MINIMAL, forecast=forecast(load=None))),
    ("forecast.load.metric", changed(MINIMAL, forecast=forecast(load={"namespace": "A", "metric_name": "B", "metric": 1}))),
    ("forecast.warm_headroom", changed(MINIMAL, forecast=forecast(warm_headroom=-1))),
    ("forecast.on_demand_quantile", changed(MINIMAL, forecast=forecast(on_demand_quantile=0.99))),
    ("forecast.learn_lead_time", changed(MINIMAL, forecast=forecast(learn_lead_time="yes"))),
    ("forecast.time_zone", changed(MINIMAL, forecast=forecast(time_zone="Berlin"))),
    ("forecast.lead_time_seconds", changed(MINIMAL, forecast=forecast(lead_time_seconds="5m"))),
    ("spot.on_demand_base_capacity", changed(MINIMAL, spot={})),
    ("spot.on_demand_base_capacity", changed(MINIMAL, spot={"on_demand_base_capacity": -1})),
    ("spot.on_demand_percent_above_base", changed(MINIMAL, spot={**SPOT, "on_demand_percent_above_base": 101})),
    ("spot.spot_allocation_strategy", changed(MINIMAL, spot={**SPOT, "spot_allocation_strategy": "cheap"})),
    ("reservation.preference", changed(MINIMAL, reservation={"preference": "open", "capacity_reservation_ids": ["cr-0"]})),
    (
        "reservation.capacity_reservation_ids[0]",
        changed(MINIMAL, reservation={"preference": "capacity-reservations-only", "capacity_reservation_ids": ["r-0"]}),
    ),
    ("ready_hook.enabled", changed(MINIMAL, ready_hook={"enabled": "yes"})),
    ("ready_hook.timeout_seconds", changed(MINIMAL, ready_hook={"enabled": True, "timeout_seconds": 7201})),
    ("ready_hook.default_result", changed(MINIMAL, ready_hook={"enabled": True, "default_result": "WAIT"})),
    ("efa", changed(MINIMAL, efa="yes")),
    ("cluster_placement", changed(MINIMAL, cluster_placement=1)),
    ("dedicated_hosts.host_resource_group_arn", changed(MINIMAL, instance_types=types("g5.48xlarge"), dedicated_hosts=NO_HOSTS)),
    ("warm_pool.pool_state", changed(MINIMAL, warm_pool={**WARM, "pool_state": "Warm"})),
    ("user_data", changed(MINIMAL, user_data="x" * 16_385)),
    ("ami_ssm_parameter", changed(MINIMAL, ami_id="ami-0a", ami_ssm_parameter="/aws/x")),
    ("target_tracking", changed(MINIMAL, target_tracking=[])),
    ("tags.team", changed(MINIMAL, tags={"team": 3})),
    ("shards", changed(SHARDED, shards=[])),
    ("shards[1].name", with_shard(name="en")),
    ("shards[1].name", with_shard(name="De")),
    ("shards[1].min_size", with_shard(min_size=0)),
    ("shards[1].max_size", with_shard(max_size=0)),
    ("shards[1].sizes", with_shard(sizes=2)),
]  # fmt: skip


def refusal(args: AwsGpuPoolArgs, name: str = "llm") -> SettingsError:
    """How the pool is refused, before anything is registered."""
    errors: list[SettingsError] = []

    def program() -> None:
        with pytest.raises(SettingsError) as raised:
            component.AwsGpuPool(name, args)
        errors.append(raised.value)

    assert record(program)[0].registrations == []
    return errors[0]


@pytest.mark.parametrize(
    ("field", "choice", "args"), IMPOSSIBLE, ids=[f"{index}-{field}" for index, (field, _, _) in enumerate(IMPOSSIBLE)]
)
def test_an_impossible_pool_is_refused_with_the_right_choice(field: str, choice: str, args: AwsGpuPoolArgs) -> None:
    error = refusal(args)
    assert error.field == field
    assert choice in error.expected


@pytest.mark.parametrize(("field", "args"), WRONG, ids=[f"{index}-{field}" for index, (field, _) in enumerate(WRONG)])
def test_a_wrong_argument_is_named_before_anything_is_registered(field: str, args: AwsGpuPoolArgs) -> None:
    error = refusal(args)
    assert error.field == field
    assert error.expected


@pytest.mark.parametrize("name", ["LLM", "llm_app", "-llm", "w" * 41, ""])
def test_a_name_must_fit_into_names_of_the_cloud(name: str) -> None:
    assert refusal(MINIMAL, name).field == "name"


def test_a_shards_whole_name_must_fit_too() -> None:
    assert refusal(SHARDED, "w" * 38).field == "shards[0].name"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("min_size", lambda: {"min_size": later(1.5)}),
        ("min_size", lambda: {"min_size": later(0)}),
        ("max_size", lambda: {"max_size": later(0)}),
        ("subnet_ids", lambda: {"subnet_ids": later([])}),
        ("instance_types[0].weight", lambda: {"instance_types": types("g5.xlarge", weight=later(0))}),
        ("spot.on_demand_base_capacity", lambda: {"spot": {"on_demand_base_capacity": later(-1)}}),
        ("forecast.load_per_replica", lambda: {"forecast": forecast(load_per_replica=later(-1.0))}),
        ("warm_pool.pool_state", lambda: {"warm_pool": {**WARM, "pool_state": later("Hibernated")}}),
    ],
)
def test_a_wrong_output_is_named_by_the_deployment(field: str, changes: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(SettingsError) as raised:
        record(lambda: component.AwsGpuPool("llm", changed(MINIMAL, **changes())))
    assert raised.value.field == field


class TestTable:
    """A few figures that a reader can look up, and what must hold of all."""

    @pytest.mark.parametrize(
        ("name", "accelerator", "gpus", "memory_gib", "adapters", "disks"),
        [
            ("g4dn.12xlarge", "NVIDIA T4", 4, 192, 1, (1, 900)),
            ("g5.48xlarge", "NVIDIA A10G", 8, 768, 1, (2, 3800)),
            ("g6e.24xlarge", "NVIDIA L40S", 4, 768, 2, (2, 1900)),
            ("p4d.24xlarge", "NVIDIA A100", 8, 1152, 4, (8, 1000)),
            ("p5.48xlarge", "NVIDIA H100", 8, 2048, 32, (8, 3800)),
            ("p6-b200.48xlarge", "NVIDIA B200", 8, 2048, 8, (8, 3800)),
        ],
    )
    def test_a_type_has_what_its_data_sheet_says(
        self, name: str, accelerator: str, gpus: int, memory_gib: int, adapters: int, disks: tuple[int, int]
    ) -> None:
        found = gpu_type("t", name)
        assert (found.family.accelerator, found.gpus, found.size.memory_gib) == (accelerator, gpus, memory_gib)
        assert found.size.efa_interfaces == adapters
        assert (found.size.local_disks, found.size.local_disk_gb) == disks

    def test_every_size_makes_sense(self) -> None:
        sizes = [size for family in FAMILIES.values() for size in family.sizes.values()]
        assert len(FAMILIES) == 12
        assert all(size.gpus in {1, 2, 4, 8} and size.memory_gib >= 16 for size in sizes)
        assert all((size.local_disks == 0) == (size.local_disk_gb == 0) for size in sizes)
        assert all(
            size.efa_interfaces
            for family in FAMILIES.values()
            if family.capacity_blocks
            for size in family.sizes.values()
        )
