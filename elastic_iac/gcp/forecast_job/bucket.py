"""The job's bucket: the function's source, the settings and the records, each under a prefix of its own."""

import pulumi
import pulumi_gcp as gcp

from elastic_iac.common.schema.gcp_forecast_job import GcpForecastJobArgs

SETTINGS_PREFIX = "settings/"
STORE_PREFIX = "store"

_DAYS_OF_FORMER_RECORDS = 7
_DAYS_OF_FORMER_SETTINGS = 365
_DAYS_OF_FORMER_CODE = 90


def settings_key(job: str) -> str:
    """Where the settings of the job `job` stand."""
    return f"{SETTINGS_PREFIX}{job}.json"


def bucket_args(args: GcpForecastJobArgs, *, location: pulumi.Input[str]) -> gcp.storage.BucketArgs:
    """A private bucket in which policies alone decide; former versions can be had back.

    Records expire by their last write. A target's state is written by every run, so it stays as long as the target is served; what lies beside
    `targets/` (the job's own notes, a pause) never expires.
    """
    condition = gcp.storage.BucketLifecycleRuleConditionArgs
    return gcp.storage.BucketArgs(
        location=location,
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning=gcp.storage.BucketVersioningArgs(enabled=True),
        lifecycle_rules=[
            _deletes(
                condition(
                    age=args.store_retention_days, with_state="LIVE", matches_prefixes=[f"{STORE_PREFIX}/targets/"]
                )
            ),
            *(
                _deletes(condition(days_since_noncurrent_time=days, matches_prefixes=[prefix]))
                for prefix, days in (
                    (f"{STORE_PREFIX}/", _DAYS_OF_FORMER_RECORDS),
                    (SETTINGS_PREFIX, _DAYS_OF_FORMER_SETTINGS),
                    ("code/", _DAYS_OF_FORMER_CODE),
                )
            ),
        ],
        encryption=None
        if args.kms_key is None
        else gcp.storage.BucketEncryptionArgs(default_kms_key_name=args.kms_key),
        force_destroy=args.force_destroy,
        labels=args.labels,
    )


def _deletes(condition: gcp.storage.BucketLifecycleRuleConditionArgs) -> gcp.storage.BucketLifecycleRuleArgs:
    return gcp.storage.BucketLifecycleRuleArgs(
        action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"), condition=condition
    )


def settings_args(bucket: pulumi.Input[str], job: str, settings: pulumi.Output[str]) -> gcp.storage.BucketObjectArgs:
    """The settings of one job, as the function reads them."""
    return gcp.storage.BucketObjectArgs(
        bucket=bucket, name=settings_key(job), content=settings, content_type="application/json"
    )


def notification_args(bucket: pulumi.Input[str], topic: pulumi.Input[str]) -> gcp.storage.NotificationArgs:
    """New settings are told to the topic, those of all shards."""
    return gcp.storage.NotificationArgs(
        bucket=bucket,
        topic=topic,
        payload_format="JSON_API_V1",
        event_types=["OBJECT_FINALIZE"],
        object_name_prefix=SETTINGS_PREFIX,
    )
