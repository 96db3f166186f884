"""Buckets, what is set of them piece by piece, their objects and notifications."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pulumi import FileAsset

from elastic_iac.local.engine.deployment import Cloud, EngineError, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, given, pascal, tag_list, tag_map, walk


def _create_bucket(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    s3 = cloud.client("s3")
    # API, CreateBucket: the first region alone is not to be named.
    place = {"CreateBucketConfiguration": {"LocationConstraint": cloud.region}} if cloud.region != "us-east-1" else {}
    s3.create_bucket(Bucket=name, **place)
    if inputs["tags"]:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(inputs["tags"])})
    return Made(name, {**inputs, "bucket": name, "arn": f"arn:aws:s3:::{name}", "region": cloud.region})


def _read_bucket(cloud: Cloud, made: Made) -> Inputs:
    if not made.outputs["tags"]:
        return {"tags": {}}  # S3 answers an error where there are none
    return {"tags": tag_map(cloud.client("s3").get_bucket_tagging(Bucket=made.id)["TagSet"])}


def _delete_bucket(cloud: Cloud, made: Made) -> None:
    if made.outputs.get("forceDestroy"):
        _delete_versions(cloud, made.id, "")
    cloud.client("s3").delete_bucket(Bucket=made.id)


def _delete_versions(cloud: Cloud, bucket: str, prefix: str) -> None:
    s3 = cloud.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])


def _part(
    put: Callable[[Any, str, Inputs], object],
    get: Callable[[Any, str], Inputs],
    delete: Callable[[Any, str], object],
) -> Handler:
    """One of the settings that the provider makes resources of their own, named after their bucket."""

    def create(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
        bucket: str = inputs["bucket"]
        put(cloud.client("s3"), bucket, inputs)
        return Made(bucket, inputs)

    def read(cloud: Cloud, made: Made) -> Inputs:
        return {"bucket": made.id, **get(cloud.client("s3"), made.id)}

    def remove(cloud: Cloud, made: Made) -> None:
        delete(cloud.client("s3"), made.id)

    return Handler(create, read, remove, untagged=True)


_VERSIONING = _part(
    lambda s3, bucket, inputs: s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=pascal(inputs["versioningConfiguration"])
    ),
    lambda s3, bucket: {"versioningConfiguration": {"status": s3.get_bucket_versioning(Bucket=bucket).get("Status")}},
    lambda s3, bucket: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
)

_ABBREVIATED = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID", "id": "ID"}
_SPELLED_OUT = {abbreviated: name for name, abbreviated in _ABBREVIATED.items()}


def _to_api(value: Any) -> Any:
    return walk(value, _same, lambda key: _ABBREVIATED.get(key, key[:1].upper() + key[1:]))


def _from_api(value: Any) -> Any:
    return walk(value, _same, lambda key: _SPELLED_OUT.get(key, key[:1].lower() + key[1:]))


def _same(_key: str, value: Any) -> Any:
    return value


_ENCRYPTION = _part(
    lambda s3, bucket, inputs: s3.put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": _to_api(inputs["rules"])}
    ),
    lambda s3, bucket: _from_api(s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]),
    lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket),
)

_PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_PUBLIC_ACCESS_BLOCK = _part(
    lambda s3, bucket, inputs: s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=pascal({name: inputs[name] for name in _PUBLIC_ACCESS if name in inputs}),
    ),
    lambda s3, bucket: camel(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]),
    lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket),
)

_OWNERSHIP = _part(
    lambda s3, bucket, inputs: s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [pascal(inputs["rule"])]}
    ),
    lambda s3, bucket: {
        "rule": camel(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0])
    },
    lambda s3, bucket: s3.delete_bucket_ownership_controls(Bucket=bucket),
)

_POLICY = _part(
    lambda s3, bucket, inputs: s3.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"]),
    lambda s3, bucket: {"policy": s3.get_bucket_policy(Bucket=bucket)["Policy"]},
    lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket),
)

_LIFECYCLE = _part(
    lambda s3, bucket, inputs: s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": _to_api(inputs["rules"])}
    ),
    lambda s3, bucket: {"rules": _from_api(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])},
    lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket),
)


def _put_notification(s3: Any, bucket: str, inputs: Inputs) -> None:
    functions = [
        {
            "LambdaFunctionArn": item["lambdaFunctionArn"],
            "Events": item["events"],
            **given(Id=item.get("id")),
            "Filter": {"Key": {"FilterRules": list(_filter_rules(item))}},
        }
        for item in inputs.get("lambdaFunctions", [])
    ]
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": functions}
    )


_FILTERS = {"filterPrefix": "prefix", "filterSuffix": "suffix"}


def _filter_rules(item: Inputs) -> Iterator[dict[str, str]]:
    for name, rule in _FILTERS.items():
        if name in item:
            yield {"Name": rule, "Value": item[name]}


def _get_notification(s3: Any, bucket: str) -> Inputs:
    found = s3.get_bucket_notification_configuration(Bucket=bucket).get("LambdaFunctionConfigurations", [])
    inputs = {rule: name for name, rule in _FILTERS.items()}
    return {
        "lambdaFunctions": [
            {
                "id": item["Id"],
                "lambdaFunctionArn": item["LambdaFunctionArn"],
                "events": item["Events"],
                **{
                    inputs[rule["Name"].lower()]: rule["Value"]
                    for rule in item.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                },
            }
            for item in found
        ]
    }


_NOTIFICATION = _part(
    _put_notification,
    _get_notification,
    lambda s3, bucket: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={}),
)


def _create_object(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    bucket, key = inputs["bucket"], inputs["key"]
    put = cloud.client("s3").put_object(
        Bucket=bucket, Key=key, Body=_body(inputs), **given(ContentType=inputs.get("contentType"))
    )
    found = {"etag": put["ETag"].strip('"'), "versionId": put.get("VersionId"), "arn": f"arn:aws:s3:::{bucket}/{key}"}
    return Made(f"{bucket}/{key}", {**inputs, **found})


def _body(inputs: Inputs) -> bytes:
    if "content" in inputs:
        return str(inputs["content"]).encode()
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    source = inputs.get("source")
    if isinstance(source, FileAsset):
        return Path(source.path).read_bytes()
    raise EngineError(f"object {inputs['key']}: the embedded engine reads content, contentBase64 or a FileAsset")


def _read_object(cloud: Cloud, made: Made) -> Inputs:
    bucket, key = made.outputs["bucket"], made.outputs["key"]
    found = cloud.client("s3").get_object(Bucket=bucket, Key=key)
    # The content is given back in whichever form it was declared.
    forms = ("content", "contentBase64", "source")
    same = found["Body"].read() == _body(made.outputs)
    content = {form: made.outputs[form] for form in forms if same and form in made.outputs}
    return {"bucket": bucket, "key": key, "contentType": found.get("ContentType"), **content}


def _delete_object(cloud: Cloud, made: Made) -> None:
    _delete_versions(cloud, made.outputs["bucket"], made.outputs["key"])


HANDLERS = {
    "aws:s3/bucket:Bucket": Handler(_create_bucket, _read_bucket, _delete_bucket),
    "aws:s3/bucketVersioning:BucketVersioning": _VERSIONING,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _ENCRYPTION,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _OWNERSHIP,
    "aws:s3/bucketPolicy:BucketPolicy": _POLICY,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _LIFECYCLE,
    "aws:s3/bucketNotification:BucketNotification": _NOTIFICATION,
    "aws:s3/bucketObjectv2:BucketObjectv2": Handler(_create_object, _read_object, _delete_object, untagged=True),
}
