"""Answers to the functions that a program calls: what is there, read from the emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elastic_iac.local.engine import gcp
from elastic_iac.local.engine.deployment import Cloud, EngineError, Inputs
from elastic_iac.local.engine.shapes import given


def _region(cloud: Cloud, _args: Inputs) -> Inputs:
    return {"id": cloud.region, "region": cloud.region, "name": cloud.region}


def _partition(cloud: Cloud, _args: Inputs) -> Inputs:
    arn: str = cloud.client("sts").get_caller_identity()["Arn"]
    partition = arn.split(":")[1]
    return {"id": partition, "partition": partition}


def _caller_identity(cloud: Cloud, _args: Inputs) -> Inputs:
    found = cloud.client("sts").get_caller_identity()
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _image(_cloud: Cloud, args: Inputs) -> Inputs:
    """The emulator keeps no images: any id is one of Amazon Linux."""
    image_id = next(item["values"][0] for item in args["filters"] if item["name"] == "image-id")
    return {"id": image_id, "imageId": image_id, "rootDeviceName": "/dev/xvda"}


def _parameter(cloud: Cloud, args: Inputs) -> Inputs:
    found = cloud.client("ssm").get_parameter(Name=args["name"])["Parameter"]
    plain = {"value": found["Value"], "type": found["Type"], "version": found["Version"], "arn": found["ARN"]}
    return {**plain, "id": args["name"], "name": args["name"], "insecureValue": found["Value"]}


def _filters(args: Inputs) -> list[dict[str, Any]]:
    return [{"Name": item["name"], "Values": item["values"]} for item in args.get("filters", [])]


def _vpc(cloud: Cloud, args: Inputs) -> Inputs:
    filters = _filters(args) + ([{"Name": "is-default", "Values": ["true"]}] if args.get("default") else [])
    wanted = given(VpcIds=[args["id"]] if args.get("id") else None, Filters=filters or None)
    found = cloud.client("ec2").describe_vpcs(**wanted)["Vpcs"]
    if len(found) != 1:
        raise EngineError(f"getVpc: {len(found)} VPCs match {dict(args)}; expected one")
    return {"id": found[0]["VpcId"], "cidrBlock": found[0]["CidrBlock"], "default": found[0]["IsDefault"]}


def _subnets(cloud: Cloud, args: Inputs) -> Inputs:
    found = cloud.client("ec2").describe_subnets(Filters=_filters(args))["Subnets"]
    return {"id": cloud.region, "ids": sorted(subnet["SubnetId"] for subnet in found)}


INVOKES: dict[str, Callable[[Cloud, Inputs], Inputs]] = {
    **gcp.INVOKES,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getSubnets:getSubnets": _subnets,
}
