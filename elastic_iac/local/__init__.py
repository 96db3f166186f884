"""Emulated clouds: the strict double of AWS (`elastic_iac.local.aws.local_aws`), for the demo and the tests."""
