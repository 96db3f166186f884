"""Queues, topics and who is subscribed to them."""

from __future__ import annotations

from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import tag_list, tag_map

_QUEUE_ATTRIBUTES = {
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "delaySeconds": "DelaySeconds",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "policy": "Policy",
}


def _create_queue(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    sqs = cloud.client("sqs")
    attributes = {attribute: _text(inputs[name]) for name, attribute in _QUEUE_ATTRIBUTES.items() if name in inputs}
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes, tags=inputs["tags"])["QueueUrl"]
    arn = _queue_attributes(cloud, url)["QueueArn"]
    return Made(url, {**inputs, "name": name, "url": url, "arn": arn})


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _queue_attributes(cloud: Cloud, url: str) -> dict[str, str]:
    return cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def _read_queue(cloud: Cloud, made: Made) -> Inputs:
    held = _queue_attributes(cloud, made.id)
    read: dict[str, Any] = {}
    for name, attribute in _QUEUE_ATTRIBUTES.items():
        declared = made.outputs.get(name)
        # Attributes are texts: one that says the same is given back as it was declared.
        read[name] = declared if held.get(attribute) == _text(declared) else held.get(attribute)
    return {**read, "tags": cloud.client("sqs").list_queue_tags(QueueUrl=made.id).get("Tags", {})}


def _delete_queue(cloud: Cloud, made: Made) -> None:
    cloud.client("sqs").delete_queue(QueueUrl=made.id)


def _create_topic(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    arn: str = cloud.client("sns").create_topic(Name=name, Tags=tag_list(inputs["tags"]))["TopicArn"]
    return Made(arn, {**inputs, "name": name, "arn": arn})


def _read_topic(cloud: Cloud, made: Made) -> Inputs:
    return {"tags": tag_map(cloud.client("sns").list_tags_for_resource(ResourceArn=made.id)["Tags"])}


def _delete_topic(cloud: Cloud, made: Made) -> None:
    cloud.client("sns").delete_topic(TopicArn=made.id)


def _create_subscription(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    arn: str = cloud.client("sns").subscribe(
        TopicArn=inputs["topic"], Protocol=inputs["protocol"], Endpoint=inputs["endpoint"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    return Made(arn, {**inputs, "arn": arn})


def _read_subscription(cloud: Cloud, made: Made) -> Inputs:
    found = cloud.client("sns").list_subscriptions_by_topic(TopicArn=made.outputs["topic"])["Subscriptions"]
    endpoints = [(item["Protocol"], item["Endpoint"]) for item in found]
    held = (made.outputs["protocol"], made.outputs["endpoint"]) in endpoints
    return made.outputs if held else {}


def _delete_subscription(cloud: Cloud, made: Made) -> None:
    cloud.client("sns").unsubscribe(SubscriptionArn=made.id)


HANDLERS = {
    "aws:sqs/queue:Queue": Handler(_create_queue, _read_queue, _delete_queue),
    "aws:sns/topic:Topic": Handler(_create_topic, _read_topic, _delete_topic),
    "aws:sns/topicSubscription:TopicSubscription": Handler(
        _create_subscription, _read_subscription, _delete_subscription, untagged=True
    ),
}
