"""Groups: what AWS refuses and the bare emulator accepts, and what the emulator drops and the double gives back."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from elastic_iac.local.aws import LocalAws
from tests.doubles import GROUP, create_group, described, put_action, refused


@pytest.fixture
def strict(aws: LocalAws) -> Any:
    return aws.client("autoscaling", in_process=True)


@pytest.fixture
def bare(aws: LocalAws) -> Any:
    return aws.bare_client("autoscaling")


REFUSED_GROUPS: dict[str, tuple[dict[str, Any], str]] = {
    "min above max": ({"MinSize": 5, "MaxSize": 4, "DesiredCapacity": 5}, "greater than or equal to min"),
    "desired below min": ({"DesiredCapacity": 1}, "must be between"),
    "desired above max": ({"DesiredCapacity": 21}, "must be between"),
    "negative": ({"MinSize": -1}, "must not be negative"),
    "nothing to launch": ({"LaunchConfigurationName": None}, "Valid requests must contain either"),
    "no place": ({"AvailabilityZones": None}, "At least one Availability Zone or VPC Subnet"),
}


@pytest.mark.parametrize("rule", REFUSED_GROUPS)
def test_a_group_out_of_the_rules_is_not_made(strict: Any, bare: Any, rule: str) -> None:
    settings, message = REFUSED_GROUPS[rule]
    assert message in refused("ValidationError", create_group, strict, **settings)
    assert strict.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    create_group(bare, **settings)


@pytest.mark.parametrize("sizes", [{"MinSize": 21}, {"MaxSize": 1}, {"DesiredCapacity": 21}, {"DesiredCapacity": 1}])
def test_an_update_out_of_the_bounds_changes_nothing(strict: Any, bare: Any, sizes: dict[str, int]) -> None:
    create_group(strict)
    before = described(strict)
    refused("ValidationError", strict.update_auto_scaling_group, AutoScalingGroupName=GROUP, **sizes)
    assert described(strict) == before
    bare.update_auto_scaling_group(AutoScalingGroupName=GROUP, **sizes)


def test_desired_capacity_follows_the_bounds(strict: Any, bare: Any) -> None:
    create_group(strict)
    create_group(bare, "lax")
    for sizes, desired in (({"MinSize": 6}, 6), ({"MinSize": 1, "MaxSize": 3}, 3)):
        strict.update_auto_scaling_group(AutoScalingGroupName=GROUP, **sizes)
        assert described(strict)["DesiredCapacity"] == desired
        assert len(described(strict)["Instances"]) == desired
    bare.update_auto_scaling_group(AutoScalingGroupName="lax", MinSize=6)
    assert described(bare, "lax")["DesiredCapacity"] == 4, "the emulator leaves it below the minimum"


def test_desired_capacity_is_set_within_the_bounds(strict: Any, bare: Any) -> None:
    create_group(strict)
    for desired, message in ((21, "above max value 20"), (1, "below min value 2")):
        assert message in refused(
            "ValidationError", strict.set_desired_capacity, AutoScalingGroupName=GROUP, DesiredCapacity=desired
        )
    strict.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=7)
    assert described(strict)["DesiredCapacity"] == 7
    bare.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=21)


def test_the_desired_capacity_of_a_new_group_is_its_minimum(strict: Any) -> None:
    create_group(strict, DesiredCapacity=None)
    assert described(strict)["DesiredCapacity"] == 2


def test_a_name_is_taken_once(strict: Any) -> None:
    create_group(strict)
    refused("AlreadyExists", create_group, strict)


@pytest.mark.parametrize(
    ("operation", "settings"),
    [
        ("put_scaling_policy", {"PolicyName": "p", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}),
        ("describe_policies", {}),
        (
            "put_lifecycle_hook",
            {"LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"},
        ),
        ("delete_auto_scaling_group", {}),
    ],
)
def test_the_group_of_any_call_must_exist(strict: Any, bare: Any, operation: str, settings: dict[str, Any]) -> None:
    asked = {"AutoScalingGroupName": "absent", **settings}
    assert "not found" in refused("ValidationError", getattr(strict, operation), **asked)
    getattr(bare, operation)(**asked)


def test_a_group_with_instances_is_deleted_by_force_only_and_its_actions_with_it(
    aws: LocalAws, strict: Any, bare: Any
) -> None:
    create_group(strict)
    put_action(strict, "a", aws.clock.now().replace(year=2100))
    refused("ResourceInUse", strict.delete_auto_scaling_group, AutoScalingGroupName=GROUP)
    strict.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
    assert strict.describe_scheduled_actions()["ScheduledUpdateGroupActions"] == []
    create_group(strict)
    assert strict.describe_scheduled_actions()["ScheduledUpdateGroupActions"] == []
    bare.delete_auto_scaling_group(AutoScalingGroupName=GROUP)


def test_groups_of_two_regions_are_two(aws: LocalAws, strict: Any) -> None:
    elsewhere = aws.client("autoscaling", region="eu-central-1", in_process=True)
    create_group(strict)
    create_group(elsewhere, MinSize=3)
    assert (described(strict)["MinSize"], described(elsewhere)["MinSize"]) == (2, 3)
    assert aws.group(GROUP, region="eu-central-1").sizes.minimum == 3


MIXED: dict[str, Any] = {
    "LaunchTemplate": {
        "LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "1"},
        "Overrides": [{"InstanceType": "m7g.large", "WeightedCapacity": "2"}, {"InstanceType": "m7a.large"}],
    },
    "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 25},
}


def test_the_settings_that_the_emulator_drops_are_given_back(strict: Any, bare: Any) -> None:
    settings: dict[str, Any] = {
        "LaunchConfigurationName": None,
        "MixedInstancesPolicy": MIXED,
        "CapacityRebalance": True,
        "DefaultInstanceWarmup": 120,
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": 0,
        "TerminationPolicies": ["OldestInstance", "Default"],
        "MaxInstanceLifetime": 86400,
    }
    create_group(strict, **settings, TargetGroupARNs=["arn:tg/1"])
    given = {name: value for name, value in settings.items() if value is not None}
    assert given.items() <= described(strict).items()
    assert described(strict)["TargetGroupARNs"] == ["arn:tg/1"]
    assert not {"MixedInstancesPolicy", "CapacityRebalance", "DefaultInstanceWarmup"} & described(bare).keys()
    strict.update_auto_scaling_group(AutoScalingGroupName=GROUP, DefaultInstanceWarmup=60)
    assert given | {"DefaultInstanceWarmup": 60} == {name: described(strict)[name] for name in given}


def test_what_a_group_launches_is_replaced_whole(aws: LocalAws, strict: Any) -> None:
    create_group(strict)
    assert described(strict)["CreatedTime"] == aws.clock.now()
    strict.update_auto_scaling_group(AutoScalingGroupName=GROUP, MixedInstancesPolicy=MIXED)
    assert described(strict)["MixedInstancesPolicy"] == MIXED
    assert "LaunchConfigurationName" not in described(strict)


def test_tags_may_hold_any_character(strict: Any, bare: Any) -> None:
    tag = {"Key": "a&b", "Value": "<x> & 'y'", "PropagateAtLaunch": True}
    create_group(strict, Tags=[tag])
    other: dict[str, Any] = {"Key": "more", "Value": "1 < 2", "PropagateAtLaunch": False}
    strict.create_or_update_tags(Tags=[{**other, "ResourceId": GROUP, "ResourceType": "auto-scaling-group"}])
    found = [{name: shown[name] for name in tag} for shown in described(strict)["Tags"]]
    assert found == [tag, other]
    selected = strict.describe_auto_scaling_groups(Filters=[{"Name": "tag:a&b", "Values": [tag["Value"]]}])
    assert [group["AutoScalingGroupName"] for group in selected["AutoScalingGroups"]] == [GROUP]
    assert (
        strict.describe_auto_scaling_groups(Filters=[{"Name": "tag-key", "Values": ["b"]}])["AutoScalingGroups"] == []
    )
    create_group(bare, "corrupt", Tags=[tag])
    with pytest.raises(ResponseParserError):
        described(bare, "corrupt")


def test_groups_come_in_pages(strict: Any) -> None:
    for number in range(3):
        create_group(strict, f"g{number}")
    pages = strict.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["AutoScalingGroups"]) for page in pages] == [2, 1]


def test_processes_are_suspended_and_resumed(strict: Any, bare: Any) -> None:
    create_group(strict)
    asked = {"AutoScalingGroupName": GROUP, "ScalingProcesses": ["ScheduledActions", "Terminate"]}
    strict.suspend_processes(**asked)
    suspended = {process["ProcessName"] for process in described(strict)["SuspendedProcesses"]}
    assert suspended == {"ScheduledActions", "Terminate"}
    strict.resume_processes(AutoScalingGroupName=GROUP, ScalingProcesses=["Terminate"])
    assert set(aws_suspended(strict)) == {"ScheduledActions"}
    strict.suspend_processes(AutoScalingGroupName=GROUP)
    assert len(aws_suspended(strict)) == 9, "all, where none is named"
    strict.resume_processes(AutoScalingGroupName=GROUP)
    assert aws_suspended(strict) == []
    refused("ValidationError", strict.suspend_processes, AutoScalingGroupName=GROUP, ScalingProcesses=["Sleep"])
    refused("InvalidAction", bare.suspend_processes, **asked)


def aws_suspended(client: Any) -> list[str]:
    return [process["ProcessName"] for process in described(client)["SuspendedProcesses"]]


def test_attachments_metrics_and_warm_pool_are_kept(strict: Any, bare: Any) -> None:
    create_group(strict)
    group = {"AutoScalingGroupName": GROUP}
    strict.attach_load_balancer_target_groups(**group, TargetGroupARNs=["arn:tg/1"])
    strict.attach_traffic_sources(
        **group,
        TrafficSources=[{"Identifier": "arn:tg/2", "Type": "elbv2"}, {"Identifier": "lattice", "Type": "vpc-lattice"}],
    )
    strict.detach_load_balancer_target_groups(**group, TargetGroupARNs=["arn:tg/1"])
    assert described(strict)["TargetGroupARNs"] == ["arn:tg/2"]
    sources = strict.describe_traffic_sources(**group)["TrafficSources"]
    assert [(source["Identifier"], source["State"]) for source in sources] == [
        ("arn:tg/2", "InService"),
        ("lattice", "InService"),
    ]
    strict.enable_metrics_collection(**group, Granularity="1Minute", Metrics=["GroupInServiceInstances"])
    assert described(strict)["EnabledMetrics"] == [{"Metric": "GroupInServiceInstances", "Granularity": "1Minute"}]
    strict.disable_metrics_collection(**group)
    assert described(strict)["EnabledMetrics"] == []
    strict.put_warm_pool(**group, MaxGroupPreparedCapacity=5, PoolState="Hibernated")
    pool = strict.describe_warm_pool(**group)["WarmPoolConfiguration"]
    assert pool == {"MaxGroupPreparedCapacity": 5, "MinSize": 0, "PoolState": "Hibernated"}
    assert described(strict)["WarmPoolConfiguration"] == pool
    strict.delete_warm_pool(**group)
    refused("ValidationError", strict.delete_warm_pool, **group)
    for call, settings in (
        (bare.attach_load_balancer_target_groups, {"TargetGroupARNs": ["arn:tg/1"]}),
        (bare.enable_metrics_collection, {"Granularity": "1Minute"}),
        (bare.put_warm_pool, {}),
    ):
        refused("InvalidAction", call, **group, **settings)


@pytest.mark.parametrize(
    ("mixed", "why"),
    [
        ({"LaunchTemplate": {"Overrides": [{"InstanceType": "g5.xlarge", "WeightedCapacity": "1"}]}}, "weighting"),
        ({"InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 50}}, "Spot"),
    ],
)
def test_a_group_with_weights_or_spot_takes_no_warm_pool(strict: Any, mixed: dict[str, Any], why: str) -> None:
    create_group(strict, LaunchConfigurationName=None, MixedInstancesPolicy=mixed)
    with pytest.raises(ClientError, match=why):
        strict.put_warm_pool(AutoScalingGroupName=GROUP)
    assert "WarmPoolConfiguration" not in described(strict)


def test_what_has_no_rule_is_the_emulators(aws: LocalAws) -> None:
    """Other services pass through over HTTP, bodies and conditional writes unharmed."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="records")
    body = bytes(range(256)) * 400
    tag = s3.put_object(Bucket="records", Key="a/b c", Body=body, IfNoneMatch="*")["ETag"]
    assert s3.get_object(Bucket="records", Key="a/b c")["Body"].read() == body
    assert s3.head_object(Bucket="records", Key="a/b c")["ContentLength"] == len(body)
    refused("PreconditionFailed", s3.put_object, Bucket="records", Key="a/b c", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket="records", Key="a/b c", Body=b"2", IfMatch='"0"')
    s3.put_object(Bucket="records", Key="a/b c", Body=b"2", IfMatch=tag)
    assert s3.list_objects_v2(Bucket="records")["Contents"][0]["Key"] == "a/b c"
    assert aws.client("sts").get_caller_identity()["Account"] == "000000000000"
    ssm = aws.client("ssm")
    ssm.put_parameter(Name="/x", Value="1", Type="String")
    assert ssm.get_parameter(Name="/x")["Parameter"]["Value"] == "1"
    actions = [call.action for call in aws.calls]
    assert actions[:3] == ["CreateBucket", "PutObject", "GetObject"]
    assert [call.status for call in aws.calls if call.action == "PutObject"] == [200, 412, 412, 200]
