"""Arguments that are a fleet's own.

Generated from `elastic_iac/common/schema/fleet.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi



class LoadPrices(TypedDict):
    """The price of too much against too little; the plan's quantile follows (the newsvendor's
    critical fractile)."""

    instance_hour: pulumi.Input[float]
    """What an instance costs per hour. Above 0."""
    unmet_instance_hour: pulumi.Input[float]
    """What it costs to miss one instance for one hour: lost requests, penalties. Same currency.
    Above 0."""


class LoadEvent(TypedDict):
    """A known future event: a sale, a launch, a match."""

    name: pulumi.Input[str]
    """What a person calls it."""
    start: pulumi.Input[str]
    """With its UTC offset."""
    end: pulumi.Input[str]
    """With its UTC offset; after `start`."""
    load_factor: NotRequired[pulumi.Input[float]]
    """The forecast is multiplied by this within the event. Above 0 and at most 1000. Default: 1."""
    floor: NotRequired[pulumi.Input[float]]
    """At least this many instances within the event. From 0 to 100000. Default: 0."""
    repeats: NotRequired[pulumi.Input[str]]
    """It comes back at the same local time, from `start` on: `monthly` and `yearly` on the same day
    (a 31st on a shorter month's last), or a rule of RFC 5545 that gives the days, such as
    `FREQ=WEEKLY;INTERVAL=2` or `FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1` (the last working
    day)."""
    learn_factor: NotRequired[pulumi.Input[bool]]
    """Learn the factor from earlier occurrences in the history, instead of `load_factor`. Default:
    false."""


class LoadExclusion(TypedDict):
    """A time that is not learnt from: an incident, a load test, a broken exporter."""

    name: pulumi.Input[str]
    """What a person calls it."""
    start: pulumi.Input[str]
    """With its UTC offset."""
    end: pulumi.Input[str]
    """With its UTC offset; after `start`."""
