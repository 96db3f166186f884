from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest
import yaml
from pulumi.runtime.config import set_all_config
from pydantic.alias_generators import to_camel

from elastic_iac.aws.autoscaling_group.args import AwsAutoscalingGroupArgs
from elastic_iac.aws.forecast_job.args import AwsForecastJobArgs
from elastic_iac.aws.gpu_pool import capacity_block
from elastic_iac.aws.gpu_pool.args import AwsGpuPoolArgs
from elastic_iac.gcp.autoscaling_group.args import GcpAutoscalingGroupArgs
from elastic_iac.gcp.forecast_job.args import GcpForecastJobArgs
from elastic_iac.gcp.gpu_pool.args import GcpGpuPoolArgs
from elastic_iac.local.engine.program import run_program
from elastic_iac.local.engine.project import read_project
from forecasting.errors import SettingsError
from forecasting.settings import Fleet, Job, parse_job
from stacks import settings
from tests.recording import Mocks, Recorder

pytestmark = pytest.mark.usefixtures("built_function")

STACKS = ["local", "dev", "staging", "prod"]
ROOT = Path(__file__).resolve().parents[1]
GROUP: dict[str, Any] = {
    "name": "web",
    "instanceType": "t3.micro",
    "amiId": "ami-0a",
    "minSize": 1,
    "maxSize": 2,
    "loadBalancer": {"instancePort": 80},
    "forecast": {"loadPerInstance": 5},
}


GCP_GROUP: dict[str, Any] = {
    "name": "web",
    "machineType": "e2-small",
    "image": "projects/images/global/images/web-1",
    "minSize": 1,
    "maxSize": 2,
    "loadBalancer": {"instancePort": 80},
    "forecast": {"loadPerInstance": 5},
}


GCP_POOL: dict[str, Any] = {
    "name": "llm",
    "machineType": "g2-standard-8",
    "image": "projects/images/global/images/llm-1",
    "minSize": 1,
    "maxSize": 2,
    "forecast": {"loadPerReplica": 5, "load": {"metricType": "custom.googleapis.com/tokens"}},
}


@functools.cache
def deploy(stack: str, **changes: str) -> tuple[Recorder, dict[str, Any]]:
    project, recorder = read_project(stack), Recorder(Mocks())
    outputs = run_program(
        project.run, recorder, project=project.name, stack=stack, config={**project.config, **changes}
    )
    return recorder, outputs


def read(**config: Any) -> settings.Stack:
    set_all_config(
        {f"p:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    )
    return settings.read_stack(pulumi.Config("p"), pulumi.Config("aws"), pulumi.Config("gcp"))


@pytest.mark.parametrize("stack", STACKS)
def test_every_environment_exports_what_the_job_reads(stack: str) -> None:
    recorder, outputs = deploy(stack)
    names = [item["name"] for item in json.loads(read_project(stack).config["elastic-iac:groups"])]
    pools = [item["name"] for item in json.loads(read_project(stack).config["elastic-iac:gpuPools"])]
    fleets = [Fleet.model_validate_json(fleet) for fleet in outputs["fleets"]]
    assert [fleet.name for fleet in fleets] == [f"{stack}-{name}" for name in (*names, *pools)]
    assert {item.name for item in recorder.of(":AwsGpuPool")} == {f"{stack}-{name}" for name in pools}
    assert list(outputs["groups"]) == list(outputs["urls"]) == names
    assert {item.name for item in recorder.of(":AwsAutoscalingGroup")} == {f"{stack}-{name}" for name in names}


@pytest.mark.parametrize("stack", STACKS)
def test_every_environment_is_told_apart_by_its_tags(stack: str) -> None:
    assert read_project(stack).default_tags == {"project": "elastic-iac", "environment": stack}
    for group in deploy(stack)[0].of("group:Group"):
        tags = {tag["key"]: tag["value"] for tag in group.inputs["tags"]}
        assert tags["environment"] == stack
        assert all(tag["propagateAtLaunch"] for tag in group.inputs["tags"])


def job_settings(stack: str) -> Job:
    content = deploy(stack)[0].one(":BucketObjectv2", "-job-settings").inputs["content"]
    return parse_job(json.loads(content))


@pytest.mark.parametrize("stack", STACKS)
def test_every_environment_deploys_a_job_for_all_its_groups(stack: str) -> None:
    recorder, outputs = deploy(stack)
    job = job_settings(stack)
    assert job.name == job.owner == f"{stack}-job"
    assert [fleet.model_dump_json(exclude_unset=True) for fleet in job.fleets] == outputs["fleets"]
    assert outputs["jobSettings"] == [f"s3://{stack}-job-bucket-id/settings/{stack}-job.json"]
    assert outputs["jobFunctions"] == [f"{stack}-job-function-0"]
    assert {item.inputs["tags"]["environment"] for item in recorder.of("lambda/function:Function")} == {stack}


def test_a_job_for_trial_writes_nothing_and_others_do() -> None:
    assert [stack for stack in STACKS if job_settings(stack).dry_run] == ["dev"]


def test_only_records_of_trials_go_with_their_stack() -> None:
    kept = [stack for stack in STACKS if not deploy(stack)[0].one("s3/bucket:Bucket").inputs.get("forceDestroy")]
    assert kept == ["staging", "prod"]


def test_without_a_job_section_there_is_no_job() -> None:
    recorder, outputs = deploy("local", **{"elastic-iac:job": "{}"})
    assert not recorder.of(":AwsForecastJob")
    assert set(outputs) == {"fleets", "groups", "pools", "urls"}


def test_no_two_environments_share_a_resource() -> None:
    registered = [(item.type, item.name) for stack in STACKS for item in deploy(stack)[0].registrations]
    assert len(set(registered)) == len(registered)


def test_environments_differ_as_such_environments_do() -> None:
    groups = {stack: deploy(stack)[0].one("group:Group", "-web-group").inputs for stack in STACKS}
    fleets = {stack: Fleet.model_validate_json(deploy(stack)[1]["fleets"][0]) for stack in STACKS}
    ceilings = [groups[stack]["maxSize"] for stack in ("dev", "staging", "prod")]
    assert ceilings == sorted(ceilings)
    assert "warmPool" in deploy("prod")[0].one("group:Group", "-worker-group").inputs
    assert [stack for stack in STACKS if fleets[stack].dry_run] == ["dev"]
    spot = {
        stack: group["mixedInstancesPolicy"]["instancesDistribution"]["onDemandPercentageAboveBaseCapacity"]
        for stack, group in groups.items()
        if "mixedInstancesPolicy" in group
    }
    assert spot == {"dev": 0, "staging": 50, "prod": 70}


@pytest.mark.parametrize(
    ("stack", "ports"), [("local", {80}), ("dev", {80}), ("staging", {80, 443}), ("prod", {80, 443})]
)
def test_what_is_public_and_not_a_trial_speaks_tls(stack: str, ports: set[int]) -> None:
    assert {item.inputs["port"] for item in deploy(stack)[0].of(":Listener")} == ports


def test_pools_are_spot_in_trials_and_in_production_above_a_base_and_a_reservation() -> None:
    dev, prod = (deploy(stack)[0].one("group:Group", "-llm-group").inputs for stack in ("dev", "prod"))
    shares = [item["mixedInstancesPolicy"]["instancesDistribution"] for item in (dev, prod)]
    assert [item["onDemandBaseCapacity"] for item in shares] == [0, 8]
    assert [item["onDemandPercentageAboveBaseCapacity"] for item in shares] == [0, 0]
    assert (dev["minSize"], dev["maxSize"]) == (1, 1)
    assert "capacityReservationSpecification" not in dev
    target = prod["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationIds": ["cr-0a1b2c3d4e5f60002"]}
    pool = job_settings("prod").fleets[-1].pool
    assert pool is not None
    assert (pool.units_per_instance, pool.warm_headroom, pool.on_demand_quantile) == (4, 4, 0.2)


GPU_POOL: dict[str, Any] = {
    "name": "llm",
    "instanceTypes": [{"instanceType": "p5.48xlarge"}],
    "subnetIds": ["subnet-0b"],
    "capacityBlocks": [
        {
            "capacityReservationId": "cr-0a",
            "start": "2027-03-01T11:30:00Z",
            "end": "2027-03-02T11:30:00Z",
            "instances": 4,
        }
    ],
    "training": {"image": "pytorch/pytorch:2.9.0", "arguments": ["train.py"]},
}


def test_a_pool_of_capacity_blocks_is_deployed_in_its_subnet_and_plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_block, "now", lambda: datetime(2027, 1, 1, tzinfo=UTC))
    recorder, outputs = deploy("local", **{"elastic-iac:gpuPools": json.dumps([GPU_POOL])})
    assert recorder.one("group:Group", "-llm-group").inputs["vpcZoneIdentifiers"] == ["subnet-0b"]
    starts = {item.inputs["startTime"] for item in recorder.of(":Schedule") if "autoscaling" in item.type}
    assert starts == {"2027-03-01T11:31:00Z", "2027-03-02T10:50:00Z"}
    assert len(outputs["fleets"]) == 1
    assert list(outputs["pools"]) == ["llm"]


def test_the_default_vpc_is_used_where_no_network_is_given() -> None:
    local, staging = deploy("local")[0], deploy("staging")[0]
    assert local.one("group:Group").inputs["vpcZoneIdentifiers"] == ["subnet-0a", "subnet-0b"]
    assert ("aws:ec2/getVpc:getVpc", {"default": True}) in local.cloud.calls
    assert staging.one("group:Group", "-web-group").inputs["vpcZoneIdentifiers"][0] == "subnet-0a1b2c3d4e5f60001"
    assert not [token for token, _ in staging.cloud.calls if "getVpc" in token]


def test_a_higher_ceiling_reaches_the_group_and_the_fleet() -> None:
    groups = json.loads(read_project("local").config["elastic-iac:groups"])
    groups[0]["maxSize"] = 33
    recorder, outputs = deploy("local", **{"elastic-iac:groups": json.dumps(groups)})
    assert recorder.one("group:Group").inputs["maxSize"] == 33
    assert Fleet.model_validate_json(outputs["fleets"][0]).ceiling == 33


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("groups", {"groups": []}),
    ("groups.0.minSize", {"groups": [{**GROUP, "minSize": "1"}]}),
    ("groups.0.maxSize", {"groups": [{key: value for key, value in GROUP.items() if key != "maxSize"}]}),
    ("groups.0.maxsize", {"groups": [{**GROUP, "maxsize": 3}]}),
    ("groups.0.loadBalancer.port", {"groups": [{**GROUP, "loadBalancer": {"instancePort": 80, "port": 80}}]}),
    (
        "groups.0.targetTracking.0.metric",
        {"groups": [{**GROUP, "targetTracking": [{"metric": "ram", "targetValue": 1}]}]},
    ),
    ("job.scheduled", {"groups": [GROUP], "job": {"scheduled": "rate(1 hour)"}}),
    ("job.dryRun", {"groups": [GROUP], "job": {"dryRun": "yes"}}),
    ("gcpGroups", {"groups": [GROUP], "clouds": ["aws", "gcp"]}),
    ("gcp:project", {"groups": [GROUP], "clouds": ["gcp"], "gcpGroups": [GCP_GROUP]}),
    ("gcpGroups.0.machine", {"groups": [GROUP], "gcpGroups": [{**GCP_GROUP, "machine": "e2-small"}]}),
    ("gcpGpuPools.0.spot", {"groups": [GROUP], "gcpGpuPools": [{**GCP_POOL, "spot": "yes"}]}),
    ("different names", {"groups": [GROUP], "gcpGroups": [GCP_GROUP], "gcpGpuPools": [{**GCP_POOL, "name": "web"}]}),
    ("gcpNetwork and gcpSubnetwork", {"groups": [GROUP], "gcpNetwork": "projects/p/global/networks/n"}),
    (
        "gcpGroups.0.instanceSelections.0.rank",
        {
            "groups": [GROUP],
            "gcpGroups": [
                {**GCP_GROUP, "instanceSelections": [{"name": "a", "machineTypes": ["e2-small"], "rank": -1}]}
            ],
        },
    ),
    (
        "gcpGroups.0.standbyPool.stoppedSize",
        {"groups": [GROUP], "gcpGroups": [{**GCP_GROUP, "standbyPool": {"mode": "MANUAL"}}]},
    ),
    (
        "gcpGroups.0.bootDisk.iops",
        {"groups": [GROUP], "gcpGroups": [{**GCP_GROUP, "bootDisk": {"sizeGib": 20, "iops": 1}}]},
    ),
    (
        "gcpJob.existingGroups.0.location",
        {"groups": [GROUP], "gcpJob": {"existingGroups": [{"name": "legacy", "project": "shop-prod"}]}},
    ),
    ("clouds.0", {"groups": [GROUP], "clouds": ["azure"]}),
    ("vpcId and subnetIds", {"groups": [GROUP], "vpcId": "vpc-0a"}),
    ("different names", {"groups": [GROUP, GROUP]}),
    ("gpuPools.0.instances", {"groups": [GROUP], "gpuPools": [{**GPU_POOL, "instances": 4}]}),
    (
        "gpuPools.0.capacityBlocks.0.start",
        {
            "groups": [GROUP],
            "gpuPools": [{**GPU_POOL, "capacityBlocks": [{**GPU_POOL["capacityBlocks"][0], "start": "today"}]}],
        },
    ),
    ("different names; got web, web", {"groups": [GROUP], "gpuPools": [{**GPU_POOL, "name": "web"}]}),
]


@pytest.mark.parametrize(("field", "config"), WRONG, ids=[field for field, _ in WRONG])
def test_wrong_configuration_is_named_by_its_key(field: str, config: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**config)
    assert field in str(raised.value)


def test_capacity_on_google_cloud_becomes_the_groups_arguments() -> None:
    capacity = {
        "standbyPool": {"stoppedSize": 2, "initialDelaySeconds": 60},
        "instanceSelections": [{"name": "first", "machineTypes": ["n4-standard-4", "c4-standard-4"], "rank": 1}],
        "bootDisk": {"sizeGib": 20, "type": "hyperdisk-balanced", "iops": 4000, "throughputMib": 200},
    }
    changes = {
        "elastic-iac:clouds": '["gcp"]',
        "elastic-iac:gcpGroups": json.dumps([{**GCP_GROUP, **capacity}]),
        "elastic-iac:gcpGpuPools": "[]",
    }
    recorder, _ = deploy("local", **changes)
    group = recorder.one(":RegionInstanceGroupManager").inputs
    assert (group["targetStoppedSize"], group["standbyPolicy"]["initialDelaySec"]) == (2, 60)
    selections = [{"name": "first", "machineTypes": ["n4-standard-4", "c4-standard-4"], "rank": 1}]
    assert group["instanceFlexibilityPolicy"]["instanceSelections"] == selections
    disk = recorder.one(":InstanceTemplate").inputs["disks"][0]
    assert (disk["diskType"], disk["provisionedIops"], disk["provisionedThroughput"]) == (
        *("hyperdisk-balanced", 4000, 200),
    )


def test_configuration_becomes_the_components_arguments() -> None:
    group = read(
        groups=[
            {
                **GROUP,
                "forecast": {
                    "loadPerInstance": 5,
                    "events": [
                        {"name": "sale", "start": "2027-11-26T08:00:00+01:00", "end": "2027-11-27T08:00:00+01:00"}
                    ],
                },
            }
        ]
    ).groups[0]
    given = group.args(vpc_id="vpc-0a", subnet_ids=["subnet-0a", "subnet-0b"], tags={"a": "b"})
    assert given == {
        "instance_type": "t3.micro",
        "ami_id": "ami-0a",
        "min_size": 1,
        "max_size": 2,
        "load_balancer": {"instance_port": 80},
        "forecast": {
            "load_per_instance": 5,
            "events": [{"name": "sale", "start": "2027-11-26T08:00:00+01:00", "end": "2027-11-27T08:00:00+01:00"}],
        },
        "vpc_id": "vpc-0a",
        "subnet_ids": ["subnet-0a", "subnet-0b"],
        "tags": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("field", "declared", "of_the_stack"),
    [
        ("Group", AwsAutoscalingGroupArgs, {"vpc_id", "subnet_ids", "tags"}),
        ("GpuPool", AwsGpuPoolArgs, {"vpc_id", "tags"}),
        ("Job", AwsForecastJobArgs, {"fleets", "fleet_count", "tags"}),
        ("GcpGroup", GcpAutoscalingGroupArgs, {"network", "subnetwork", "labels"}),
        ("GcpPool", GcpGpuPoolArgs, {"network", "subnetwork", "labels"}),
        ("GcpJob", GcpForecastJobArgs, {"fleets", "fleet_count", "labels"}),
    ],
)
def test_a_component_has_every_argument_but_what_the_stack_knows(
    field: str, declared: type, of_the_stack: set[str]
) -> None:
    model: Any = get_args(getattr(settings, field))[1].model
    assert set(model.model_fields) - {"name"} == set(declared.__annotations__) - of_the_stack


BOTH = {"elastic-iac:clouds": '["aws", "gcp"]'}


@pytest.mark.parametrize(("stack", "changes"), [("local", BOTH), ("prod", {})])
def test_a_stack_deploys_both_clouds_each_with_its_job(stack: str, changes: dict[str, str]) -> None:
    recorder, outputs = deploy(stack, **changes)
    assert outputs["fleets"]
    fleets = [Fleet.model_validate_json(fleet) for fleet in outputs["gcpFleets"]]
    names = {"local": ["web"], "prod": ["web", "llm"]}[stack]
    assert [(fleet.name, fleet.cloud) for fleet in fleets] == [(f"{stack}-{name}", "gcp") for name in names]
    content = recorder.one(":BucketObject", "-gcp-job-settings").inputs["content"]["value"]
    assert list(parse_job(json.loads(content)).fleets) == fleets
    assert {item.inputs["labels"]["environment"] for item in recorder.of(":InstanceTemplate")} == {stack}


def test_a_stack_deploys_google_cloud_alone() -> None:
    recorder, outputs = deploy("local", **{"elastic-iac:clouds": '["gcp"]'})
    assert not [item for item in recorder.registrations if item.type.startswith("aws:")]
    assert not recorder.cloud.calls or all("gcp:" in token for token, _ in recorder.cloud.calls)
    assert "fleets" not in outputs
    interface = recorder.one(":InstanceTemplate").inputs["networkInterfaces"][0]
    assert interface["network"] == "projects/local-project/global/networks/default"


def test_the_manifest_declares_what_the_program_reads() -> None:
    manifest = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert (manifest["main"], manifest["stackConfigDir"]) == ("stacks", "stacks")
    assert set(manifest["config"]) == {to_camel(name) for name in settings.Stack.model_fields} - {
        "defaultTags",
        "gcpProvider",
    }
    assert {key for key, declared in manifest["config"].items() if "default" not in declared} == {"groups"}


class TestPoolsOnGoogleCloud:
    def test_a_trial_has_one_spot_instance(self) -> None:
        recorder, outputs = deploy("dev")
        (template,) = recorder.of(":InstanceTemplate")
        assert template.inputs["scheduling"]["provisioningModel"] == "SPOT"
        policy = recorder.one(":RegionAutoscaler").inputs["autoscalingPolicy"]
        assert (policy["minReplicas"], policy["maxReplicas"]) == (1, 1)
        (fleet,) = (Fleet.model_validate_json(text) for text in outputs["gcpFleets"])
        assert (fleet.name, fleet.dry_run) == ("dev-llm", True)

    def test_production_serves_from_a_reservation_and_trains_by_request(self) -> None:
        recorder, outputs = deploy("prod")
        llm = recorder.one(":InstanceTemplate", "-llm-template").inputs
        assert llm["reservationAffinity"]["type"] == "SPECIFIC_RESERVATION"
        train = recorder.one(":InstanceTemplate", "-train-template").inputs
        assert train["scheduling"]["provisioningModel"] == "FLEX_START"
        assert recorder.of(":RegionResizeRequest") == []  # none is asked for until somebody names one
        assert outputs["gcpPools"] == {"llm": ["prod-llm-group-0"], "train": ["prod-train-group-0"]}
        assert outputs["gcpUrls"]["llm"] == "https://203.0.113.7"

    def test_the_job_gets_a_fleet_of_each_shard(self) -> None:
        shards = [{"name": name, "minSize": 1, "maxSize": 2, "load": GCP_POOL["forecast"]["load"]} for name in "ab"]
        pool = {**GCP_POOL, "shards": shards, "forecast": {"loadPerReplica": 5}, "minSize": None, "maxSize": None}
        changes = {"elastic-iac:clouds": '["gcp"]', "elastic-iac:gcpGpuPools": json.dumps([pool])}
        recorder, outputs = deploy("local", **changes)
        fleets = [Fleet.model_validate_json(text) for text in outputs["gcpFleets"]]
        assert [fleet.name for fleet in fleets] == ["local-web", "local-llm-a", "local-llm-b"]
        content = recorder.one(":BucketObject", "-gcp-job-settings").inputs["content"]["value"]
        assert list(parse_job(json.loads(content)).fleets) == fleets

    def test_a_stack_may_have_pools_alone(self) -> None:
        given = {"groups": [GROUP], "clouds": ["gcp"], "gcpGpuPools": [GCP_POOL]}
        declared = settings.Stack.model_validate({**given, "gcpProvider": {"project": "p", "region": "europe-west1"}})
        assert [pool.fleet_count for pool in declared.gcp_gpu_pools] == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": [{**GROUP, "minSize": "one"}]}, "config groups.0.minSize: got 'one'"),
        (
            {"groups": [{**GROUP, "minSize": -1}]},
            "config groups.0.minSize: got -1; expected a whole number from 0 to 100000",
        ),
    ],
)
def test_a_wrong_configuration_ends_the_program_without_a_traceback(changes: dict[str, Any], message: str) -> None:
    """Pulumi shows the message of a `RunError` alone."""
    with pytest.raises(pulumi.RunError, match=message):
        deploy("local", **{f"elastic-iac:{key}": json.dumps(value) for key, value in changes.items()})
