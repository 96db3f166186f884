from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.aws.forecast_job.iam import (
    FLEETS_PER_POLICY,
    LAUNCH_READS,
    POLICY_CHARACTERS,
    function_policy,
    schedule_policy,
    tls_only_policy,
    trust,
    write_policy,
)
from elastic_iac.common.forecast_job import FLEETS_PER_SHARD
from forecasting.errors import SettingsError
from forecasting.settings import AwsTarget, Fleet, parse_fleet
from tests.job_args import fleet
from tests.recording import golden

ACCOUNT = {"partition": "aws", "account_id": "111122223333"}
WRITES = {"autoscaling:PutScheduledUpdateGroupAction", "autoscaling:DeleteScheduledAction"}
GRANTED = WRITES | {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScheduledActions",
    "autoscaling:DescribePolicies",
    "autoscaling:DescribeScalingActivities",
    "cloudwatch:GetMetricData",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
    "kms:Decrypt",
    "kms:GenerateDataKey",
}
WITHOUT_RESOURCE_LEVEL = {action for action in GRANTED if ":Describe" in action} | {"cloudwatch:GetMetricData"}


def fleets(count: int) -> list[Fleet]:
    return [parse_fleet(json.loads(fleet(f"web-{number}"))) for number in range(count)]


def own(kms_key_arn: str | None = "arn:aws:kms:eu-central-1:111122223333:key/k") -> str:
    return function_policy(
        bucket_arn="arn:aws:s3:::job-bucket",
        settings_key="settings/job.json",
        log_group_arn="arn:aws:logs:eu-central-1:111122223333:log-group:job-log",
        queue_arn="arn:aws:sqs:eu-central-1:111122223333:job-failures",
        kms_key_arn=kms_key_arn,
    )


def test_launches_may_be_read_only_where_a_fleet_learns_from_them_or_is_a_pool() -> None:
    settings = json.loads(fleet())
    plain = parse_fleet(settings)
    told: list[tuple[dict[str, Any], bool]] = [({}, False), ({"learn_lead_time": True}, True), ({"pool": {}}, True)]
    for changes, granted in told:
        known = parse_fleet({**settings, **changes})
        document = json.loads(
            function_policy(
                bucket_arn="b",
                settings_key="k",
                log_group_arn="l",
                queue_arn="q",
                kms_key_arn=None,
                fleets=[plain, known],
            )
        )
        (read,) = [each for each in document["Statement"] if each["Sid"] == "Read"]
        assert (set(LAUNCH_READS) <= set(read["Action"])) == granted


def documents() -> dict[str, Any]:
    """Every policy of a job, by what it is."""
    function = "arn:aws:lambda:eu-central-1:111122223333:function:job"
    texts = {
        "function-trust": trust("lambda"),
        "function-own": own(),
        "function-writes": write_policy(fleets(2), **ACCOUNT),
        "schedule-trust": trust("scheduler", account_id="111122223333"),
        "schedule": schedule_policy(
            function_arn=function, queue_arn="arn:aws:sqs:eu-central-1:111122223333:job-failures"
        ),
        "bucket": tls_only_policy("arn:aws:s3:::job-bucket"),
    }
    return {name: json.loads(text) for name, text in texts.items()}


def statements(name: str, effect: str = "Allow") -> list[dict[str, Any]]:
    return [each for each in documents()[name]["Statement"] if each["Effect"] == effect]


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else named


def test_the_policies_are_as_reviewed() -> None:
    assert documents() == golden("forecast_job_policies.json", documents())


def test_the_function_is_granted_what_it_uses_and_nothing_else() -> None:
    granted = [
        action for name in ("function-own", "function-writes") for each in statements(name) for action in actions(each)
    ]
    assert set(granted) == GRANTED
    assert not any("*" in action for action in granted)
    without_key = json.loads(own(kms_key_arn=None))["Statement"]
    assert not any(action.startswith("kms:") for each in without_key for action in actions(each))


def test_only_reads_without_a_resource_level_are_granted_on_everything() -> None:
    for name in ("function-own", "function-writes", "schedule"):
        for each in statements(name):
            if each["Resource"] == "*":
                assert set(actions(each)) == WITHOUT_RESOURCE_LEVEL


def test_the_schedule_may_invoke_its_function_and_report() -> None:
    assert [(each["Action"], each["Resource"].split(":")[-1]) for each in statements("schedule")] == [
        ("lambda:InvokeFunction", "job"),
        ("sqs:SendMessage", "job-failures"),
    ]
    (taken,) = statements("schedule-trust")
    assert taken["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


class Request:
    """A call as IAM sees it: action, resource and the keys that the request fills in."""

    def __init__(self, action: str, group: str, region: str = "eu-central-1", **keys: int) -> None:
        self.action = f"autoscaling:{action}"
        self.resource = f"arn:aws:autoscaling:{region}:111122223333:autoScalingGroup:4f-0a:autoScalingGroupName/{group}"
        self.keys = {f"autoscaling:{key}": value for key, value in keys.items()}

    def allowed(self, documents: list[str]) -> bool:
        """As IAM decides: an explicit Deny wins, then any Allow."""
        effects = {
            each["Effect"] for text in documents for each in json.loads(text)["Statement"] if self._matches(each)
        }
        return effects == {"Allow"}

    def _matches(self, statement: dict[str, Any]) -> bool:
        pattern = ".*".join(map(re.escape, statement["Resource"].split("*")))
        if self.action not in actions(statement) or not re.fullmatch(pattern, self.resource):
            return False
        conditions = statement.get("Condition", {}).items()
        return all(self._holds(operator, key, value) for operator, keys in conditions for key, value in keys.items())

    def _holds(self, operator: str, key: str, value: str) -> bool:
        found = self.keys.get(key)
        if operator == "Null":
            return (found is None) == (value == "true")
        if found is None:
            return operator.endswith("IfExists")
        bound = int(value)
        return found >= bound if "GreaterThanEquals" in operator else found <= bound


@st.composite
def some_fleets(draw: st.DrawFn) -> list[Fleet]:
    """Fleets of different names, with bounds and regions of their own."""
    names = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,24}[a-z0-9]", fullmatch=True), min_size=1, max_size=15, unique=True)
    )
    made: list[Fleet] = []
    for name in names:
        floor = draw(st.integers(0, 500))
        target = {
            "region": draw(st.sampled_from(["eu-central-1", "us-east-1", "ap-southeast-1"])),
            "group_name": f"{name}-group-0a1b2c3",
        }
        text = fleet(name, floor=floor, ceiling=floor + draw(st.integers(1, 99)), target=target)
        made.append(parse_fleet(json.loads(text)))
    return made


@given(some_fleets(), st.data())
def test_any_fleets_are_bounded_and_no_others(served: list[Fleet], data: st.DataObject) -> None:
    writes = write_policy(served, **ACCOUNT)
    assert len(writes) <= POLICY_CHARACTERS
    policies = [writes, own()]
    one = data.draw(st.sampled_from(served))
    assert isinstance(one.target, AwsTarget)
    group, region = one.target.group_name, one.target.region

    def put(group: str = group, region: str = region, **keys: int) -> bool:
        return Request("PutScheduledUpdateGroupAction", group, region, **keys).allowed(policies)

    assert put(MinSize=data.draw(st.integers(one.floor, one.ceiling)))
    assert not put(MinSize=one.ceiling + 1)
    assert one.floor == 0 or not put(MinSize=one.floor - 1)
    assert not put(MinSize=one.floor, MaxSize=one.ceiling)
    assert not put()
    assert not put(group=f"{group}x", MinSize=one.floor)
    assert not put(region="eu-west-3", MinSize=one.floor)
    assert Request("DeleteScheduledAction", group, region).allowed(policies)
    assert not Request("DeleteScheduledAction", f"{group}x", region).allowed(policies)
    assert not Request("BatchPutScheduledUpdateGroupAction", group, region, MinSize=one.floor).allowed(policies)


def test_ten_policies_hold_the_fleets_of_a_role_at_the_longest_names_that_a_component_makes() -> None:
    assert FLEETS_PER_SHARD <= 10 * FLEETS_PER_POLICY
    longest = [f"{number:02d}" + "w" * 38 for number in range(FLEETS_PER_POLICY)]
    texts = [fleet(name, target={"region": "eu-central-1", "group_name": f"{name}-group-0a1b2c3"}) for name in longest]
    assert len(write_policy([parse_fleet(json.loads(text)) for text in texts], **ACCOUNT)) <= POLICY_CHARACTERS


def test_a_policy_that_would_be_too_long_names_the_fleet() -> None:
    targets = [
        {"region": "eu-central-1", "group_name": f"{number:02d}" + "g" * 200} for number in range(FLEETS_PER_POLICY)
    ]
    long = [parse_fleet(json.loads(fleet(f"web-{number}", target=target))) for number, target in enumerate(targets)]
    with pytest.raises(SettingsError, match=r"fleets: got 'web-\d+ .*shorter group names"):
        write_policy(long, **ACCOUNT)


def test_its_own_policy_fits_inline() -> None:
    assert len(own()) <= 10_240  # of all inline policies of a role together


class TestAgainstTheServiceAuthorizationReference:
    """Actions, resources and condition keys as AWS publishes them (policy_sentry's copy), so that no statement silently grants nothing."""

    @pytest.fixture
    def reference(self) -> Any:
        return importlib.import_module("policy_sentry.querying.actions")

    @pytest.mark.parametrize("action", sorted(GRANTED | {"lambda:InvokeFunction"}))
    def test_the_action_exists_and_takes_its_resource(self, reference: Any, action: str) -> None:
        levels = self._levels(reference, action)
        assert levels
        resources = {str(each["resource_arn_format"]) for each in levels}
        assert (resources == {"*"}) == (action in WITHOUT_RESOURCE_LEVEL)

    def test_a_put_has_keys_for_both_sizes_and_none_for_the_desired_one(self, reference: Any) -> None:
        levels = self._levels(reference, "autoscaling:PutScheduledUpdateGroupAction")
        keys = {key for each in levels for key in each["condition_keys"]}
        assert {"autoscaling:MinSize", "autoscaling:MaxSize"} <= keys
        assert not [key for key in keys if "desired" in key.lower() or "name" in key.lower()]

    def test_a_batch_of_puts_cannot_be_bounded(self, reference: Any) -> None:
        """Hence single puts."""
        levels = self._levels(reference, "autoscaling:BatchPutScheduledUpdateGroupAction")
        assert not [key for each in levels for key in each["condition_keys"] if key.endswith("Size")]

    def test_every_condition_is_on_a_key_of_its_action(self, reference: Any) -> None:
        for name in ("function-own", "function-writes"):
            for each in documents()[name]["Statement"]:
                used = {key for keys in each.get("Condition", {}).values() for key in keys}
                known = {
                    key
                    for action in actions(each)
                    for level in self._levels(reference, action)
                    for key in level["condition_keys"]
                }
                assert used <= known

    def test_resources_have_the_form_of_the_reference(self, reference: Any) -> None:
        for name in ("function-own", "function-writes", "schedule"):
            for each in statements(name):
                for action in actions(each):
                    formats = [str(level["resource_arn_format"]) for level in self._levels(reference, action)]
                    assert any(self._fits(each["Resource"], form) for form in formats), (action, each["Resource"])

    @staticmethod
    def _levels(reference: Any, action: str) -> list[dict[str, Any]]:
        service, name = action.split(":")
        found: list[dict[str, Any]] = reference.get_action_data(service, name)[service]
        return [each for each in found if each["action"] == action]

    @staticmethod
    def _fits(resource: str, form: str) -> bool:
        pattern = "".join(".+" if part.startswith("${") else re.escape(part) for part in re.split(r"(\$\{\w+\})", form))
        wildcard_at_the_end = resource.removesuffix(":*") + ":log-stream:*" if ":log-group:" in resource else resource
        return re.fullmatch(pattern, wildcard_at_the_end) is not None
