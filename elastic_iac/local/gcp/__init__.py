"""The stand-in of Google Cloud (`elastic_iac.local.gcp.cloud.local_gcp`): Compute, Monitoring, Storage, and what the job is deployed with."""
