"""The job's bucket: the function's code, the settings and the records, each under a prefix of its own."""

from typing import Any

import pulumi
import pulumi_aws as aws

from elastic_iac.aws.forecast_job.iam import tls_only_policy
from elastic_iac.common.forecast_job import DAYS_OF_FORMER, SETTINGS_PREFIX, STORE_PREFIX
from elastic_iac.common.schema.aws_forecast_job import AwsForecastJobArgs
from elastic_iac.common.schema.base import Tags


def declare_bucket(
    name: str, args: AwsForecastJobArgs, tags: Tags, parent: pulumi.Resource
) -> tuple[aws.s3.Bucket, list[pulumi.Resource]]:
    """Declare a private, encrypted bucket with former versions, and the resources after which it can be used."""
    child = pulumi.ResourceOptions(parent=parent)
    bucket = aws.s3.Bucket(f"{name}-bucket", child, force_destroy=args.force_destroy, tags=tags)
    private = aws.s3.BucketPublicAccessBlock(
        f"{name}-bucket-private",
        child,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    versioning = aws.s3.BucketVersioning(
        f"{name}-bucket-versioning", child, bucket=bucket.id, versioning_configuration={"status": "Enabled"}
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-bucket-encryption",
        child,
        bucket=bucket.id,
        rules=[
            {
                "apply_server_side_encryption_by_default": {
                    "sse_algorithm": "aws:kms" if args.kms_key_arn is not None else "AES256",
                    "kms_master_key_id": args.kms_key_arn,
                },
                "bucket_key_enabled": args.kms_key_arn is not None,  # saves a call to KMS for each object
            }
        ],
    )
    ownership = aws.s3.BucketOwnershipControls(
        f"{name}-bucket-ownership", child, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}
    )
    policy = aws.s3.BucketPolicy(
        f"{name}-bucket-policy",
        # S3 refuses two changes of who may reach a bucket at once.
        pulumi.ResourceOptions(parent=parent, depends_on=[private]),
        bucket=bucket.id,
        policy=bucket.arn.apply(tls_only_policy),
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-bucket-lifecycle",
        # Rules for former versions mean nothing before there are any.
        pulumi.ResourceOptions(parent=parent, depends_on=[versioning]),
        bucket=bucket.id,
        rules=_lifecycle(args),
    )
    return bucket, [versioning, encryption, ownership, policy]


def _lifecycle(args: AwsForecastJobArgs) -> list[Any]:
    """Expiration by prefix.

    Records expire by their last write. A target's state is written by every run, so it stays as long as the target is served; what lies beside
    `targets/` (the job's own notes, a pause) never expires.
    """
    rules: dict[str, tuple[str, dict[str, Any]]] = {
        "records": (f"{STORE_PREFIX}/targets/", {"expiration": {"days": args.store_retention_days}}),
        "abandoned-uploads": ("", {"abort_incomplete_multipart_upload": {"days_after_initiation": 1}}),
    }
    for name, prefix in (("records", f"{STORE_PREFIX}/"), ("settings", SETTINGS_PREFIX), ("code", "code/")):
        expired = {"noncurrent_version_expiration": {"noncurrent_days": DAYS_OF_FORMER[prefix]}}
        rules[f"former-{name}"] = (prefix, expired)
    rules["former-records"][1]["expiration"] = {"expired_object_delete_marker": True}
    order = ("records", "former-records", "former-settings", "former-code", "abandoned-uploads")
    return [{"id": name, "status": "Enabled", "filter": {"prefix": rules[name][0]}, **rules[name][1]} for name in order]
