"""Other controllers of an Auto Scaling group, as `plan`, `apply`, `release` and `doctor` show them."""

from __future__ import annotations

from typing import Any

import pytest

from elastic_iac.local.aws import LocalAws
from tests.commands import Shell
from tests.doubles import refused
from tests.fleets import GROUP, fleet_data, make_group

OPERATOR = {"Principal": "autoscaler.example.amazonaws.com"}
PAIR = {"PredefinedMetricType": "ASGCPUUtilization"}
METRIC = {"TargetValue": 40.0, "PredefinedMetricPairSpecification": PAIR}
RESERVATION = {
    "Namespace": "AWS/ECS/ManagedScaling",
    "MetricName": "CapacityProviderReservation",
    "Statistic": "Average",
}
DEPLOYED = "CodeDeploy_web_d-8FJ2KQ1XA"


def tag(aws: LocalAws, key: str, value: str = "x", group: str = GROUP) -> None:
    tags = [{"Key": key, "Value": value, "ResourceId": group, "ResourceType": "auto-scaling-group"}]
    aws.client("autoscaling").create_or_update_tags(Tags=[{**each, "PropagateAtLaunch": False} for each in tags])


def predict(aws: LocalAws, mode: str | None, name: str = "ahead", **settings: Any) -> None:
    configuration = {"MetricSpecifications": [METRIC], **({"Mode": mode} if mode else {}), **settings}
    aws.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName=name,
        PolicyType="PredictiveScaling",
        PredictiveScalingConfiguration=configuration,
    )


def track(aws: LocalAws, name: str, metric: dict[str, Any]) -> None:
    aws.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"CustomizedMetricSpecification": metric, "TargetValue": 100.0},
    )


def owners(shell: Shell, config: str) -> list[dict[str, Any]]:
    """The doctor's checks of other owners; nothing was written."""
    before = shell.mutations()
    done = shell.run("doctor", "--config", config, "--json")
    assert shell.mutations() == before
    return [check for check in done.document["checks"] if check["name"] == "other owners"]


def notes(shell: Shell, config: str) -> list[str]:
    """The notes of a plan on other owners, which is made all the same."""
    done = shell.run("plan", "--config", config, "--json")
    (fleet,) = done.document["fleets"]
    assert (done.code, fleet["status"]) == (0, "planned"), fleet["reason"]
    assert fleet["diff"]["put"]
    return [note for note in fleet["notes"] if note.startswith("other owner: ")]


@pytest.mark.parametrize(
    ("key", "value", "name", "effect"),
    [
        ("eks:nodegroup-name", "workers", "EKS node group 'workers'", "sets MinSize"),
        ("eks:cluster-name", "shop", "of cluster 'shop'", "sets MinSize"),
        ("k8s.io/cluster-autoscaler/enabled", "true", "Cluster Autoscaler", "never MinSize"),
        ("k8s.io/cluster-autoscaler/enabled", "", "Cluster Autoscaler", "never MinSize"),
        ("k8s.io/cluster-autoscaler/shop", "owned", "Cluster Autoscaler", "never MinSize"),
        ("AmazonECSManaged", "", "ECS capacity provider", "if its managed scaling is on"),
        ("elasticbeanstalk:environment-name", "shop-prod", "Elastic Beanstalk environment 'shop-prod'", "replaces"),
        ("elasticbeanstalk:environment-id", "e-abc", "Elastic Beanstalk environment 'e-abc'", "replaces"),
    ],
)
def test_a_tag_that_shows_another_owner_is_a_warning(
    shell: Shell, key: str, value: str, name: str, effect: str
) -> None:
    make_group(shell.aws)
    tag(shell.aws, key, value)
    config = shell.settings()
    (check,) = owners(shell, config)
    assert check["outcome"] == "warn"
    assert name in check["found"]
    assert effect in check["found"]
    assert check["advice"]
    (note,) = notes(shell, config)
    assert name in note
    assert effect in note


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("eks:nodegroup-named", "workers"),
        ("team/eks:cluster-name", "shop"),
        ("kubernetes.io/cluster/shop", "owned"),
        ("k8s.io/cluster-autoscaler/node-template/label/gpu", "owned"),
        ("k8s.io/cluster-autoscaler/node-template/enabled", "true"),
        ("k8s.io/cluster-autoscaler/shop", "shared"),
        ("cluster-autoscaler/enabled", "true"),
        ("AmazonECSCluster", "shop"),
        ("ECSManaged", ""),
        ("elasticbeanstalk:environment", "shop-prod"),
        ("karpenter.sh/discovery", "shop"),  # Karpenter launches instances itself, in no group
        ("Name", "eks:nodegroup-name"),
    ],
)
def test_a_tag_that_only_resembles_an_owners_is_none(shell: Shell, key: str, value: str) -> None:
    make_group(shell.aws)
    tag(shell.aws, key, value)
    config = shell.settings()
    assert owners(shell, config) == []
    assert notes(shell, config) == []


def test_every_owner_of_a_group_is_named(shell: Shell) -> None:
    make_group(shell.aws)
    for key in ("eks:nodegroup-name", "k8s.io/cluster-autoscaler/enabled", "AmazonECSManaged"):
        tag(shell.aws, key)
    predict(shell.aws, "ForecastAndScale")
    config = shell.settings()
    assert len(owners(shell, config)) == 4
    assert len(notes(shell, config)) == 4
    shown = shell.run("plan", "--config", config).stdout
    for name in ("predictive scaling policy 'ahead'", "EKS node group", "Cluster Autoscaler", "ECS capacity provider"):
        assert name in shown


def test_a_group_that_is_another_owners_is_still_written_to_and_its_policies_stay(shell: Shell) -> None:
    client = make_group(shell.aws)
    tag(shell.aws, "eks:nodegroup-name", "workers")
    predict(shell.aws, "ForecastAndScale")
    policies = client.describe_policies(AutoScalingGroupName=GROUP)["ScalingPolicies"]
    done = shell.run("apply", "--config", shell.settings(), "--yes", "--json")
    assert (done.code, done.document["fleets"][0]["status"]) == (0, "written")
    assert len([note for note in done.document["fleets"][0]["notes"] if note.startswith("other owner: ")]) == 2
    assert client.describe_policies(AutoScalingGroupName=GROUP)["ScalingPolicies"] == policies


@pytest.mark.parametrize(
    ("mode", "settings", "found"),
    [
        ("ForecastAndScale", {}, "raises the desired capacity to its own forecast"),
        (
            "ForecastAndScale",
            {"MaxCapacityBreachBehavior": "IncreaseMaxCapacity", "MaxCapacityBuffer": 10},
            "raises the desired capacity and MaxSize, for good, to its own forecast",
        ),
        ("ForecastOnly", {}, None),
        (None, {}, None),  # ForecastOnly by default
    ],
)
def test_predictive_scaling_is_another_forecaster_once_it_scales(
    shell: Shell, mode: str | None, settings: dict[str, Any], found: str | None
) -> None:
    make_group(shell.aws)
    predict(shell.aws, mode, **settings)
    config = shell.settings()
    checks = owners(shell, config)
    assert [(check["outcome"], (found or "") in check["found"]) for check in checks] == (
        [("warn", True)] if found else []
    )
    assert [(found or "") in note for note in notes(shell, config)] == ([True] if found else [])


def test_a_predictive_policy_that_is_off_is_no_owner_and_no_path_to_scale_in(shell: Shell) -> None:
    client = make_group(shell.aws)
    client.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="ahead",
        PolicyType="PredictiveScaling",
        Enabled=False,
        PredictiveScalingConfiguration={"MetricSpecifications": [METRIC], "Mode": "ForecastAndScale"},
    )
    config = shell.settings()
    assert owners(shell, config) == []
    predict(shell.aws, "ForecastAndScale")
    client.delete_policy(AutoScalingGroupName=GROUP, PolicyName="cpu")
    held = shell.run("plan", "--config", config, "--json").document["fleets"][0]
    assert held["code"] == "no-scale-in-path"
    assert "add a target tracking policy" in held["reason"]


@pytest.mark.parametrize(
    ("name", "metric", "found"),
    [
        ("ECSManagedAutoScalingPolicy-0c1", RESERVATION, True),
        ("renamed", RESERVATION, True),
        ("tasks", {**RESERVATION, "Namespace": "Shop"}, False),
        ("tasks", {**RESERVATION, "MetricName": "CPUReservation"}, False),
    ],
)
def test_managed_scaling_of_ecs_is_known_by_its_policy(
    shell: Shell, name: str, metric: dict[str, Any], found: bool
) -> None:
    make_group(shell.aws)
    track(shell.aws, name, metric)
    config = shell.settings()
    checks = owners(shell, config)
    assert [(check["outcome"], f"by policy '{name}'" in check["found"]) for check in checks] == [("warn", True)] * found
    assert len(notes(shell, config)) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [(DEPLOYED, True), ("CodeDeploy_web", False), (f"my-{DEPLOYED}", False), ("codedeploy_web_d-1", False)],
)
def test_a_copy_by_codedeploy_is_known_by_its_name(shell: Shell, name: str, found: bool) -> None:
    make_group(shell.aws, name)
    fleet = fleet_data(target={"region": shell.aws.region, "group_name": name})
    config = shell.settings(fleet)
    checks = owners(shell, config)
    assert [(check["outcome"], "under a new name" in check["found"]) for check in checks] == [("warn", True)] * found
    assert len(notes(shell, config)) == found


def operated(aws: LocalAws, **changes: Any) -> Any:
    client = aws.client("autoscaling")
    client.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=2,
        MaxSize=60,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "1"},
        **changes,
    )
    return client


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_group_with_an_operator_is_held_and_does_not_read_as_missing_rights(shell: Shell, command: str) -> None:
    operated(shell.aws, Operator=OPERATOR)
    config, before = shell.settings(), shell.mutations()
    done = shell.run(command, "--config", config, *(["--yes"] if command == "apply" else []), "--json")
    (fleet,) = done.document["fleets"]
    assert (done.code, fleet["status"], fleet["code"]) == (1, "held", "operator")
    assert OPERATOR["Principal"] in fleet["reason"]
    assert shell.mutations() == before
    (check,) = owners(shell, config)
    assert check["outcome"] == "fail"
    assert OPERATOR["Principal"] in check["found"]
    checks = shell.run("doctor", "--config", config, "--json").document["checks"]
    assert "scale-in path" not in {each["name"] for each in checks if each["subject"] == "web"}


def test_a_release_says_that_only_the_operator_may_change_the_group(shell: Shell) -> None:
    operated(shell.aws, Operator=OPERATOR)
    before = shell.mutations()
    done = shell.run("release", "web", "--config", shell.settings(), "--yes")
    assert done.code == 1
    assert OPERATOR["Principal"] in done.stdout + done.stderr
    assert shell.mutations() == before


def test_without_an_operator_the_same_group_is_held_for_its_policies_alone(shell: Shell) -> None:
    operated(shell.aws)
    (fleet,) = shell.run("plan", "--config", shell.settings(), "--json").document["fleets"]
    assert fleet["code"] == "no-scale-in-path"
    assert "add a target tracking policy" in fleet["reason"]


def test_nodes_of_kubernetes_without_a_policy_are_not_told_to_add_one(shell: Shell) -> None:
    client = make_group(shell.aws)
    client.delete_policy(AutoScalingGroupName=GROUP, PolicyName="cpu")
    tag(shell.aws, "k8s.io/cluster-autoscaler/enabled", "true")
    (fleet,) = shell.run("plan", "--config", shell.settings(), "--json").document["fleets"]
    assert fleet["code"] == "no-scale-in-path"
    assert "add a target tracking policy" not in fleet["reason"]
    assert "Cluster Autoscaler" in fleet["reason"]


class TestEmulator:
    """The rules of the cloud that these tests lean on."""

    def test_only_the_operator_changes_its_group(self, aws: LocalAws) -> None:
        client = operated(aws, Operator=OPERATOR)
        (group,) = client.describe_auto_scaling_groups()["AutoScalingGroups"]
        assert group["Operator"] == OPERATOR
        named = {"AutoScalingGroupName": GROUP}
        start = aws.clock.now().replace(year=2100)
        for operation, more in {
            "put_scheduled_update_group_action": {"ScheduledActionName": "a", "StartTime": start, "MinSize": 3},
            "update_auto_scaling_group": {"MinSize": 3},
            "set_desired_capacity": {"DesiredCapacity": 3},
            "suspend_processes": {},
            "delete_auto_scaling_group": {"ForceDelete": True},
        }.items():
            message = refused("AccessDenied", getattr(client, operation), **named, **more)
            assert OPERATOR["Principal"] in message
        tags = [{"Key": "a", "Value": "b", "ResourceId": GROUP, "ResourceType": "auto-scaling-group"}]
        refused("AccessDenied", client.create_or_update_tags, Tags=tags)
        client.create_auto_scaling_group(
            AutoScalingGroupName="other",
            MinSize=0,
            MaxSize=1,
            AvailabilityZones=["us-east-1a"],
            LaunchConfigurationName="launch",
        )
        client.update_auto_scaling_group(AutoScalingGroupName="other", MaxSize=2)

    @pytest.mark.parametrize(
        "changes",
        [
            {"MetricSpecifications": []},
            {"MetricSpecifications": [METRIC, METRIC]},
            {"MetricSpecifications": [{"TargetValue": 40.0}]},
            {
                "MetricSpecifications": [
                    {**METRIC, "PredefinedLoadMetricSpecification": {"PredefinedMetricType": "ASGTotalCPUUtilization"}}
                ]
            },
            {"Mode": "Scale"},
            {"SchedulingBufferTime": 3600},
            {"MaxCapacityBreachBehavior": "IncreaseMaxCapacity"},
            {"MaxCapacityBuffer": 10},
            {"MaxCapacityBreachBehavior": "IncreaseMaxCapacity", "MaxCapacityBuffer": 101},
        ],
    )
    def test_a_predictive_policy_is_checked(self, aws: LocalAws, changes: dict[str, Any]) -> None:
        client = make_group(aws)
        refused(
            "ValidationError",
            client.put_scaling_policy,
            AutoScalingGroupName=GROUP,
            PolicyName="ahead",
            PolicyType="PredictiveScaling",
            PredictiveScalingConfiguration={"MetricSpecifications": [METRIC], **changes},
        )
        assert [each["PolicyName"] for each in client.describe_policies()["ScalingPolicies"]] == ["cpu"]

    def test_policies_of_both_kinds_are_described_by_type_name_and_page(self, aws: LocalAws) -> None:
        client = make_group(aws)
        predict(aws, None)
        (ahead,) = client.describe_policies(PolicyTypes=["PredictiveScaling"])["ScalingPolicies"]
        assert ahead["PredictiveScalingConfiguration"]["Mode"] == "ForecastOnly"
        assert ahead["PredictiveScalingConfiguration"]["SchedulingBufferTime"] == 300
        names = [each["PolicyName"] for each in client.describe_policies(PolicyNames=["cpu"])["ScalingPolicies"]]
        assert names == ["cpu"]
        first = client.describe_policies(AutoScalingGroupName=GROUP, MaxRecords=1)
        second = client.describe_policies(AutoScalingGroupName=GROUP, NextToken=first["NextToken"])
        found = [each["PolicyName"] for each in (*first["ScalingPolicies"], *second["ScalingPolicies"])]
        assert found == ["cpu", "ahead"]
        refused(
            "ValidationError",
            client.put_scaling_policy,
            AutoScalingGroupName=GROUP,
            PolicyName="ahead",
            AdjustmentType="ChangeInCapacity",
            ScalingAdjustment=1,
        )
        client.delete_policy(AutoScalingGroupName=GROUP, PolicyName="ahead")
        assert client.describe_policies(PolicyTypes=["PredictiveScaling"])["ScalingPolicies"] == []
