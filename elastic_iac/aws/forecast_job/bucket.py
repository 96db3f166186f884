"""The job's bucket: the function's code, the settings and the records, each under a prefix of its own."""

import pulumi
import pulumi_aws as aws

SETTINGS_PREFIX = "settings/"
STORE_PREFIX = "store"

_DAYS_OF_FORMER_RECORDS = 7
_DAYS_OF_FORMER_SETTINGS = 365
_DAYS_OF_FORMER_CODE = 90
_DAYS_OF_UPLOADS = 1


def settings_key(job: str) -> str:
    """Where the settings of the job `job` stand."""
    return f"{SETTINGS_PREFIX}{job}.json"


def versioning_args(bucket: pulumi.Input[str]) -> aws.s3.BucketVersioningInitArgs:
    """Former settings and code can be had back."""
    status = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
    return aws.s3.BucketVersioningInitArgs(bucket=bucket, versioning_configuration=status)


def encryption_args(
    bucket: pulumi.Input[str], kms_key_arn: pulumi.Input[str] | None
) -> aws.s3.BucketServerSideEncryptionConfigurationInitArgs:
    """S3's own key, or the given one with a key for the bucket, which saves a call to KMS for each object."""
    by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="aws:kms" if kms_key_arn is not None else "AES256", kms_master_key_id=kms_key_arn
    )
    rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=by_default, bucket_key_enabled=kms_key_arn is not None
    )
    return aws.s3.BucketServerSideEncryptionConfigurationInitArgs(bucket=bucket, rules=[rule])


def public_access_args(bucket: pulumi.Input[str]) -> aws.s3.BucketPublicAccessBlockArgs:
    """Nothing in it is ever public."""
    return aws.s3.BucketPublicAccessBlockArgs(
        bucket=bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )


def ownership_args(bucket: pulumi.Input[str]) -> aws.s3.BucketOwnershipControlsArgs:
    """No access lists: policies alone decide."""
    rule = aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced")
    return aws.s3.BucketOwnershipControlsArgs(bucket=bucket, rule=rule)


def lifecycle_args(
    bucket: pulumi.Input[str], store_retention_days: pulumi.Input[int]
) -> aws.s3.BucketLifecycleConfigurationArgs:
    """What is old goes, by prefix.

    Records expire by their last write. A target's state is written by every run, so it stays as long as the target is served; what lies beside
    `targets/` (the job's own notes, a pause) never expires.
    """
    return aws.s3.BucketLifecycleConfigurationArgs(
        bucket=bucket,
        rules=[
            _rule(
                "records",
                f"{STORE_PREFIX}/targets/",
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=store_retention_days),
            ),
            _rule(
                "former-records",
                f"{STORE_PREFIX}/",
                noncurrent_version_expiration=_former(_DAYS_OF_FORMER_RECORDS),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
            ),
            _rule("former-settings", SETTINGS_PREFIX, noncurrent_version_expiration=_former(_DAYS_OF_FORMER_SETTINGS)),
            _rule("former-code", "code/", noncurrent_version_expiration=_former(_DAYS_OF_FORMER_CODE)),
            _rule(
                "abandoned-uploads",
                "",
                abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=_DAYS_OF_UPLOADS
                ),
            ),
        ],
    )


def _rule(
    name: str,
    prefix: str,
    *,
    expiration: aws.s3.BucketLifecycleConfigurationRuleExpirationArgs | None = None,
    noncurrent_version_expiration: aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs | None = None,
    abort_incomplete_multipart_upload: (
        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs | None
    ) = None,
) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=name,
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        expiration=expiration,
        noncurrent_version_expiration=noncurrent_version_expiration,
        abort_incomplete_multipart_upload=abort_incomplete_multipart_upload,
    )


def _former(days: int) -> aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs:
    return aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=days)


def settings_args(bucket: pulumi.Input[str], job: str, settings: pulumi.Output[str]) -> aws.s3.BucketObjectv2Args:
    """The settings of one job, as the function reads them."""
    return aws.s3.BucketObjectv2Args(
        bucket=bucket, key=settings_key(job), content=settings, content_type="application/json"
    )


def notification_args(
    bucket: pulumi.Input[str], functions: dict[str, pulumi.Output[str]]
) -> aws.s3.BucketNotificationArgs:
    """New settings run the job that they are of; a bucket has one such configuration, so it holds those of all shards.

    Args:
        bucket: The bucket.
        functions: The function's ARN by the job's name.
    """
    return aws.s3.BucketNotificationArgs(
        bucket=bucket,
        lambda_functions=[
            aws.s3.BucketNotificationLambdaFunctionArgs(
                id=job,
                lambda_function_arn=arn,
                events=["s3:ObjectCreated:*"],
                filter_prefix=settings_key(job),
            )
            for job, arn in functions.items()
        ],
    )
