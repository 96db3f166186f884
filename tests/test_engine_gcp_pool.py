"""Pools of GPUs in the embedded engine, against the stand-in of Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pulumi
import pytest

from elastic_iac.local.engine import Cloud, GoogleCloud, up
from elastic_iac.local.gcp.cloud import LocalGcp, local_gcp
from forecasting.settings import Fleet
from tests.gcp_pool_args import FLEX_START, MAXIMAL, MINIMAL, SHARDED, changed, component

ZONAL = {"zone": "europe-west1-b"}


@pytest.fixture(scope="module")
def running_gcp() -> Iterator[LocalGcp]:
    with local_gcp(project="shop-prod") as stand_in:
        yield stand_in


@pytest.fixture
def gcp(running_gcp: LocalGcp) -> LocalGcp:
    running_gcp.reset()
    return running_gcp


def no_aws(service: str) -> Any:
    raise AssertionError(f"{service}: a program for Google Cloud asked for AWS")


def run(gcp: LocalGcp, args: Any, **options: Any) -> Any:
    def program() -> None:
        pool = component.GcpGpuPool("llm", args)
        for output in ("fleets", "group_names", "resize_requests"):
            pulumi.export(output, getattr(pool, output))

    google = GoogleCloud(gcp.url, gcp.project, "europe-west1")
    return up(program, cloud=Cloud(no_aws, "", google), project="p", stack="test", **options)


# A load balancer that needs nothing that the stand-in lacks, and a network that it has.
ALL = changed(
    MAXIMAL,
    **{key: MINIMAL.get(key) for key in ("network", "subnetwork", "image")},
    image_family=None,
    refresh_image=None,
    load_balancer={"instance_port": 8080, "max_rate_per_instance": 50},
)
SERVER = {"image": "vllm/vllm-openai:v0.11.0", "preset": "vllm", "model": "gs://models/llm"}
POOLS = {
    "minimal": MINIMAL,
    "all": ALL,
    "all in a zone": changed(ALL, **ZONAL, region=None, zones=None, distribution=None),
    "spot": changed(MINIMAL, spot=True, local_ssds=1),
    "reserved": changed(MINIMAL, machine_type="a4-highgpu-8g", reservation={"affinity": "SPECIFIC", "name": "gpus"}),
    "sharded": SHARDED,
    "workload": changed(MINIMAL, workload=SERVER, forecast={"load_per_replica": 400}),
    "flex start": FLEX_START,
    "flex start in a zone": changed(FLEX_START, **ZONAL),
}


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_is_created_as_declared_and_removed(gcp: LocalGcp, name: str) -> None:
    gcp.storage_client().create_bucket("models")
    deployment = run(gcp, POOLS[name])
    assert deployment.unproven == ()
    for text in deployment.outputs["fleets"]:
        fleet = Fleet.model_validate_json(text)
        target = fleet.target.model_dump()
        policy = gcp.autoscaler(target["location"], target["autoscaler"]).policy
        assert (policy["minNumReplicas"], policy["maxNumReplicas"]) == (fleet.floor, fleet.ceiling)
        assert gcp.group(target["location"], target["group"]).size == fleet.floor
    deployment.destroy()
    google = GoogleCloud(gcp.url, gcp.project, "europe-west1")
    for kind in ("regions/europe-west1/instanceGroupManagers", "global/instanceTemplates"):
        assert google.compute("GET", kind)["items"] == []


@pytest.mark.parametrize("name", ["all", "flex start"])
def test_a_preview_writes_nothing(gcp: LocalGcp, name: str) -> None:
    deployment = run(gcp, POOLS[name], preview=True)
    assert "gcp:compute/instanceTemplate:InstanceTemplate" in {resource.type for resource in deployment.resources}
    assert not [call.action for call in gcp.calls if call.asked.mutating]


def test_a_skewed_load_has_two_plans_of_its_own(gcp: LocalGcp) -> None:
    fleets = [Fleet.model_validate_json(text) for text in run(gcp, SHARDED).outputs["fleets"]]
    assert len({fleet.target_key for fleet in fleets}) == 2


class TestFlexStart:
    def test_a_batch_comes_all_at_once_and_goes_when_its_time_is_over(self, gcp: LocalGcp) -> None:
        wait = gcp.compute.resize_requests.wait = timedelta(hours=2)
        deployment = run(gcp, FLEX_START)
        group = gcp.group("europe-west1", deployment.outputs["group_names"][0])
        assert (group.size, group.awaited) == (0, 6)
        gcp.clock.advance(wait)
        assert (group.size, group.awaited) == (6, 0)
        assert len({instance.zone for instance in group.instances}) == 1
        gcp.clock.advance(timedelta(seconds=14_400))
        assert group.size == 0
        deployment.destroy()

    def test_what_still_waits_is_cancelled_with_the_pool(self, gcp: LocalGcp) -> None:
        gcp.compute.resize_requests.wait = timedelta(hours=2)
        deployment = run(gcp, FLEX_START)
        deployment.destroy()
        assert [call.action for call in gcp.calls].count("regionInstanceGroupManagerResizeRequests.cancel") == 2
