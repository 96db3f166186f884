"""Capacity Blocks: their times, and the scheduled actions that open and close the pool around them.

A Block is a reservation of one Availability Zone and at most 64 instances, and EC2 terminates what still runs 30 minutes before its end, so that the
group must be at zero by then: https://docs.aws.amazon.com/autoscaling/ec2/userguide/launch-template-capacity-blocks.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.common.parsing import Problems
from elastic_iac.common.schema.aws_gpu_pool import AwsCapacityBlock
from elastic_iac.common.schema.base import Value
from elastic_iac.common.validation import whole
from forecasting.errors import SettingsError

CLOSES_BEFORE_END = timedelta(minutes=40)
"""EC2 takes the instances back 30 minutes before the end; an action may run two minutes late, and instances take some to leave."""
_TAKEN_BACK_BEFORE_END = timedelta(minutes=30)
MAX_DRAIN_SECONDS = int((CLOSES_BEFORE_END - _TAKEN_BACK_BEFORE_END - timedelta(minutes=2)).total_seconds())
"""What an instance has left to answer its requests, of a closing that is two minutes late."""
LATENESS = timedelta(minutes=3)
"""An action may run two minutes late; until then it must not be taken away."""
_SOON = timedelta(minutes=3)
"""A start must be ahead of now when it reaches the API."""
_SLOTS_MINUTES = 15
"""The job's slots start on multiples of this, and starts are unique within a group: an action that came later would be refused there."""
LEAVE = -1
"""Of a size: the provider takes a size that is not given for 0."""


@dataclass(frozen=True)
class Block:
    """One Block; all its times are UTC."""

    reservation_id: Value[str]
    start: datetime
    end: datetime
    instances: int
    min_instances: int

    @property
    def opens(self) -> datetime:
        """When the pool may have instances: at the start, or a minute later where a slot of the job may stand."""
        return self.start + _aside(self.start)

    @property
    def closes(self) -> datetime:
        """When the pool is empty again."""
        closes = self.end - CLOSES_BEFORE_END
        return closes - _aside(closes)

    @property
    def key(self) -> str:
        """Tells it from the others, for names: an extension keeps the start."""
        return f"{self.start:%Y%m%dT%H%MZ}"

    @property
    def window(self) -> dict[str, Any]:
        """Its time and sizes, for the settings of a fleet."""
        return {
            "start": self.opens.isoformat(),
            "end": self.closes.isoformat(),
            "floor": self.min_instances,
            "units": self.instances,
        }

    def is_over(self, now: datetime) -> bool:
        """Whether its closing has been executed, even late."""
        return now >= self.closes + LATENESS


def configure_blocks(given: Sequence[AwsCapacityBlock], problems: Problems, *, all_running: bool) -> tuple[Block, ...]:
    """The Blocks in order of time; Blocks that overlap are refused.

    With `all_running` all instances of a Block run by default: no job raises the minimum.
    """
    if not given:
        expected = "one Capacity Block or more: the last one stays when it is over, and the pool at 0"
        problems.refuse("capacity_blocks", [], expected)
    blocks: list[Block] = []
    for index, item in enumerate(given):
        with problems.collect():
            blocks.append(_block(f"capacity_blocks[{index}]", item, all_running=all_running))
    blocks.sort(key=lambda block: block.start)
    for before, after in pairwise(blocks):
        if after.start < before.end:
            expected = f"a start after the end of the Block before it, {before.end.isoformat()}: a pool has one Block at a time"
            problems.refuse("capacity_blocks", after.start.isoformat(), expected)
    return tuple(blocks)


def _block(at: str, given: AwsCapacityBlock, *, all_running: bool) -> Block:
    least = given.instances if all_running else 1
    if given.min_instances is not None:
        least = whole(0, given.instances)(f"{at}.min_instances", given.min_instances)
    block = Block(
        reservation_id=given.capacity_reservation_id,
        start=_moment(given.start),
        end=_moment(given.end),
        instances=given.instances,
        min_instances=least,
    )
    if block.closes <= block.opens:
        expected = f"more than {CLOSES_BEFORE_END} after start, {given.start}: it closes before its end"
        raise SettingsError(f"{at}.end", given.end, expected)
    return block


def drain_seconds(field: str, value: object) -> int:
    """A load balancer's deregistration delay that ends before EC2 takes the instances back."""
    seconds = whole(0, 3600)(field, value)
    if seconds > MAX_DRAIN_SECONDS:
        expected = f"at most {MAX_DRAIN_SECONDS} beside capacity_blocks: EC2 takes the instances back 30 minutes before the end"
        raise SettingsError(field, seconds, expected)
    return seconds


def _moment(given: str) -> datetime:
    """A time with its offset, in whole minutes of UTC, as scheduled actions have them."""
    return datetime.fromisoformat(given).astimezone(UTC).replace(second=0, microsecond=0)


def opening_of(block: Block, now: datetime) -> datetime | None:
    """When a pool that is deployed now opens for the Block: `Block.opens`, or soon where that has passed; None: not any more.

    Soon is never on a multiple of five minutes: start times are unique within a group, and the job's slots are there.
    """
    soon = (now + _SOON).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if soon.minute % 5 == 0:
        soon += timedelta(minutes=1)
    opens = max(block.opens, soon)
    return opens if opens < block.closes else None


def _aside(moment: datetime) -> timedelta:
    return timedelta(minutes=0 if moment.minute % _SLOTS_MINUTES else 1)


def declare_schedules(
    name: str, block: Block, group_name: pulumi.Output[str], deployed: datetime, parent: pulumi.Resource
) -> None:
    """Open the pool `name` for the Block, and close it.

    What has been executed is gone from the cloud and stays in the state: the declaration is the same until the Block is over.
    """
    opens = opening_of(block, deployed)
    if opens is not None:
        aws.autoscaling.Schedule(
            f"{name}-block-{block.key}-opens",
            # If the Block has begun the start is that of the deployment, which is another one at the next; and the action has run, so that
            # nothing of it can be changed any more: its start would be refused as past.
            pulumi.ResourceOptions(
                parent=parent,
                ignore_changes=["startTime", *(["minSize", "maxSize"] if block.opens <= deployed else [])],
            ),
            autoscaling_group_name=group_name,
            scheduled_action_name=f"capacity-block-{block.key}-opens",
            start_time=_stamp(opens),
            min_size=block.min_instances,
            max_size=block.instances,
            desired_capacity=LEAVE,  # it follows the bounds: instances that already run stay
        )
    aws.autoscaling.Schedule(
        f"{name}-block-{block.key}-closes",
        pulumi.ResourceOptions(parent=parent),
        autoscaling_group_name=group_name,
        scheduled_action_name=f"capacity-block-{block.key}-closes",
        start_time=_stamp(block.closes),
        min_size=0,
        max_size=0,
        desired_capacity=0,
    )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def now() -> datetime:
    """The time of the deployment, UTC: it decides only which actions still have a future."""
    return datetime.now(UTC)
