"""What is scaled on Google Cloud, and its load in Cloud Monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from forecasting.settings.base import (
    LABEL,
    LOCATION,
    METRIC_TYPE,
    PROJECT,
    RESOURCE,
    Bool,
    Float,
    Int,
    Settings,
    Text,
    refused,
)
from forecasting.settings.source import BaseSource

Project = Annotated[str, StringConstraints(pattern=PROJECT)]
ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE)]
Label = Annotated[str, StringConstraints(pattern=LABEL)]


class GcpTarget(Settings):
    """A managed instance group and its autoscaler."""

    project: Project = Field(description="Id of the project, e.g. 'shop-prod' (not its number).")
    location: str = Field(
        pattern=LOCATION, description="Region of a regional group, e.g. 'europe-west1'; zone of a zonal one."
    )
    autoscaler: ResourceName = Field(description="Name of the autoscaler.")
    group: ResourceName = Field(description="Name of the managed instance group that it scales.")
    kind: Literal["regional", "zonal"] = Field(description="Whether the group spans a region or stands in one zone.")

    @model_validator(mode="after")
    def _location_is_of_the_kind(self) -> Self:
        if (self.location.count("-") == 2) != (self.kind == "zonal"):
            expected = "a zone such as 'europe-west1-b'" if self.kind == "zonal" else "a region such as 'europe-west1'"
            raise refused("location", self.location, f"{expected}, since kind is {self.kind!r}")
        return self

    @property
    def key(self) -> str:
        """Identity within all clouds."""
        return f"gcp/{self.project}/{self.location}/{self.autoscaler}"

    def __str__(self) -> str:
        return f"{self.group} in {self.location} of {self.project}"


class MonitoringMetric(Settings):
    """One Cloud Monitoring metric, as ListTimeSeries reads it. Several series (instances, response codes) are made one."""

    type: str = Field(
        pattern=METRIC_TYPE, description="Its type, e.g. 'loadbalancing.googleapis.com/https/request_count'."
    )
    resource_type: Label | None = Field(
        default=None, description="Only series of this monitored resource, e.g. 'https_lb_rule'."
    )
    metric_labels: dict[Label, Text] = Field(default_factory=dict, description="Labels of the metric and their values.")
    resource_labels: dict[Label, Text] = Field(
        default_factory=dict, description="Labels of the monitored resource and their values."
    )
    user_labels: dict[Label, Text] = Field(
        default_factory=dict, description="Labels that people gave the instances, and their values."
    )
    statistic: Literal["rate", "mean", "max", "min", "p50", "p95", "p99"] = Field(
        default="mean",
        description="'rate': a counter (DELTA, CUMULATIVE) per second; 'mean', 'max', 'min' of a gauge; percentiles of a distribution.",
    )
    across: Literal["sum", "mean", "max", "min"] = Field(
        default="sum", description="How several series are made one: a load is a sum, a utilisation a mean."
    )
    absent_is_zero: Bool = Field(
        default=False,
        description="A period without a sample between two with one counted nothing (request counters); else it is missing.",
    )


class CloudMonitoringSource(BaseSource):
    """The fleet's load in Cloud Monitoring."""

    kind: Literal["cloud-monitoring"] = Field(description="The load is in Cloud Monitoring.")
    metric: MonitoringMetric = Field(description="The load, or what `per_instance` makes one of.")
    project: Project | None = Field(
        default=None, description="Project whose metrics are read; the target's where it is not given."
    )
    period_seconds: Int = Field(
        default=300, ge=60, multiple_of=60, description="Length of a sample. Most metrics are sampled every 60 s."
    )
    per_instance: Bool = Field(
        default=False,
        description="The metric is an average over instances (CPU, utilisation), not a load: multiply it by the number of instances.",
    )
    utilisation: MonitoringMetric | None = Field(
        default=None,
        description="How busy the fleet was; with `saturated_above` it marks samples that are lower bounds.",
    )
    saturated_above: Float | None = Field(
        default=None,
        gt=0,
        description="At this utilisation or more the fleet was saturated, in the utilisation metric's unit.",
    )
    refused: MonitoringMetric | None = Field(
        default=None, description="Refused requests: a sample with any is a lower bound of the load."
    )
    lookback_days: Float = Field(
        default=28, ge=1, le=730, description="How much history is read. Google's own metrics are kept for six weeks."
    )

    @model_validator(mode="after")
    def _saturation_is_whole(self) -> Self:
        if (self.utilisation is None) != (self.saturated_above is None):
            raise refused(
                "saturated_above", self.saturated_above, "to stand together with utilisation: both or neither"
            )
        return self


# Presets: metrics as a settings file has them, so that a component may hand in outputs.


def load_balancer_requests(backend_service: object) -> Mapping[str, Any]:
    """Requests per second that a global external application load balancer sends to a backend service.

    A counter that writes nothing while nothing is asked for: absent periods are zeros.
    (Cloud Monitoring metrics list, `https/request_count`: DELTA, INT64, resource `https_lb_rule`.)
    """
    return {
        "type": "loadbalancing.googleapis.com/https/request_count",
        "resource_type": "https_lb_rule",
        "resource_labels": {"backend_target_name": backend_service},
        "statistic": "rate",
        "absent_is_zero": True,
    }


def load_balancer_refusals(backend_service: object) -> Mapping[str, Any]:
    """Those of the same requests that were answered with 503: the backends had no room."""
    return {**load_balancer_requests(backend_service), "metric_labels": {"response_code": "503"}}


def pubsub_publish_requests(topic: object) -> Mapping[str, Any]:
    """Publish requests per second to a Pub/Sub topic: the load of whoever works them off.

    (`topic/send_request_count`: DELTA, INT64, resource `pubsub_topic`; one request may carry several messages.)
    """
    return {
        "type": "pubsub.googleapis.com/topic/send_request_count",
        "resource_type": "pubsub_topic",
        "resource_labels": {"topic_id": topic},
        "statistic": "rate",
        "absent_is_zero": True,
    }


def pubsub_backlog(subscription: object) -> Mapping[str, Any]:
    """Undelivered messages of a Pub/Sub subscription. A backlog falls when workers are added: a load only for a fleet that never catches up.

    (`subscription/num_undelivered_messages`: GAUGE, INT64, resource `pubsub_subscription`.)
    """
    return {
        "type": "pubsub.googleapis.com/subscription/num_undelivered_messages",
        "resource_type": "pubsub_subscription",
        "resource_labels": {"subscription_id": subscription},
        "statistic": "mean",
    }
