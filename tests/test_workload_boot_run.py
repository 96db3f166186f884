"""Boot scripts, run by bash as far as a machine without accelerators can: what they ask of the cloud goes to the local one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from elastic_iac.local.aws import LocalAws
from elastic_iac.workload import LIFECYCLE_HOOK, AwsPlatform, boot_script
from tests.doubles import GROUP, create_group
from tests.instances import STAND_INS, AwsMetadata, GcpMetadata, Instance, instance
from tests.workloads import CUSTOM, GCP, KERAS, PYTORCH, TRITON, settled

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the scripts are for Linux"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the scripts need curl"),
]

HELD = {"AutoScalingGroupName": GROUP, "LifecycleHookName": LIFECYCLE_HOOK}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def group(aws: LocalAws) -> str:
    """A group with the launch hook, and the id of the instance that waits for it."""
    client = aws.client("autoscaling")
    create_group(client)
    client.put_lifecycle_hook(**HELD, LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", HeartbeatTimeout=300)
    client.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=5)
    return next(name for name, state in states(aws).items() if state == "Pending:Wait")


def states(aws: LocalAws) -> dict[str, str]:
    described = aws.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]
    return {one["InstanceId"]: one["LifecycleState"] for one in described}


WITH_THE_REAL_CLI = pytest.mark.parametrize("ec2", ["stand-in", "aws-cli"], indirect=True)


@pytest.fixture
def ec2(request: pytest.FixtureRequest, aws: LocalAws, group: str, tmp_path: Path) -> Iterator[Instance]:
    """An instance of that group; its AWS CLI is a stand-in that calls boto3 with the same arguments, or the real one where there is one."""
    metadata = {"instance-id": group, "autoscaling/target-lifecycle-state": "InService", "local-ipv4": "10.0.0.9"}
    with instance(tmp_path / "root", AwsMetadata, metadata, aws.environment()) as made:
        if getattr(request, "param", "stand-in") == "aws-cli":
            (made.root / "tools/aws").unlink()
            if shutil.which("aws", path=os.environ["PATH"]) is None:
                pytest.skip("no AWS CLI on PATH")
        agent = made.root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
        agent.parent.mkdir(parents=True)
        shutil.copy(made.root / "tools/agent-ctl", agent)
        yield made


AGENT = (resources.files("elastic_iac.workload") / "scripts/agent-aws.sh").read_text(encoding="utf-8")


def script(**changes: Any) -> str:
    return boot_script(settled({**CUSTOM, "port": free_port(), **changes}), AwsPlatform("us-east-1"))


def calls(aws: LocalAws, action: str) -> int:
    return len([call for call in aws.calls if call.action == action])


@WITH_THE_REAL_CLI
def test_an_instance_is_held_until_its_model_answers(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.environment["MODEL_LOADS_IN_SECONDS"] = "6"
    ec2.run(script(), HEARTBEAT_SECONDS=3)
    ec2.until(lambda: ec2.running("container-elastic-iac-0"))
    ec2.until(lambda: calls(aws, "RecordLifecycleActionHeartbeat") > 0)
    assert states(aws)[group] == "Pending:Wait"
    assert calls(aws, "CompleteLifecycleAction") == 0
    ec2.until(lambda: states(aws)[group] == "InService")
    ec2.until(lambda: not ec2.running("elastic-iac-ready.service"))
    assert calls(aws, "CompleteLifecycleAction") == 1


@WITH_THE_REAL_CLI
def test_an_instance_whose_model_never_answers_is_given_up(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.environment["MODEL_LOADS_IN_SECONDS"] = "3600"
    ec2.run(script(), BOOT_LIMIT_SECONDS=4)
    ec2.until(lambda: group not in states(aws))
    assert len(states(aws)) == 5, "the group replaces it"
    ec2.until(lambda: not ec2.running("elastic-iac-ready.service"))
    assert "no healthy answer in 4 s" in ec2.text("journal")


def test_a_boot_that_fails_is_given_up_as_well(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.run(script(gpus_per_replica=8), BOOT_LIMIT_SECONDS=4)
    ec2.until(lambda: group not in states(aws))
    assert "1 GPUs here, and a replica takes 8" in ec2.text("journal")


def test_out_of_a_warm_pool_it_is_held_again_without_a_boot(aws: LocalAws, group: str, ec2: Instance) -> None:
    aws.client("autoscaling").put_warm_pool(AutoScalingGroupName=GROUP, PoolState="Running")
    aws.hold(GROUP, group, "Warmed:Pending:Wait")
    ec2.metadata["autoscaling/target-lifecycle-state"] = "Warmed:Running"
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "Warmed:Running")
    assert ec2.running("elastic-iac-ready.service")
    aws.hold(GROUP, group, "Pending:Wait")
    ec2.metadata["autoscaling/target-lifecycle-state"] = "InService"
    ec2.until(lambda: states(aws)[group] == "InService")


def test_a_boot_out_of_a_warm_pool_does_the_work_again(aws: LocalAws, group: str, ec2: Instance) -> None:
    aws.client("autoscaling").put_warm_pool(AutoScalingGroupName=GROUP)
    aws.hold(GROUP, group, "Warmed:Pending:Wait")
    ec2.metadata["autoscaling/target-lifecycle-state"] = "Warmed:Stopped"
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "Warmed:Stopped")
    ec2.end()
    shutil.rmtree(ec2.root / "run")
    aws.hold(GROUP, group, "Pending:Wait")
    ec2.metadata["autoscaling/target-lifecycle-state"] = "InService"
    ec2.run_script("systemctl start elastic-iac-boot.service elastic-iac-ready.service")  # what systemd does at a boot
    ec2.until(lambda: states(aws)[group] == "InService")


@WITH_THE_REAL_CLI
def test_models_and_secrets_are_fetched_by_the_instances_role(aws: LocalAws, group: str, ec2: Instance) -> None:
    s3, secrets = aws.client("s3"), aws.client("secretsmanager")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="llama/config.json", Body=b"{}")
    s3.put_object(Bucket="models", Key="llama/weights/1.bin", Body=b"weights")
    arn = secrets.create_secret(Name="hub", SecretString="not in user data")["ARN"]
    text = script(model="s3://models/llama", secrets={"HF_TOKEN": arn}, environment={"MODE": "fast one"})
    ec2.run(text)
    ec2.until(lambda: states(aws)[group] == "InService")
    assert ec2.text("var/lib/elastic-iac/model/weights/1.bin") == "weights"
    container = ec2.text("elastic-iac-0.env").splitlines()
    assert "HF_TOKEN=not in user data" in container
    assert "MODE=fast one" in container
    assert (ec2.root / "run/elastic-iac/secrets.env").stat().st_mode & 0o777 == 0o600
    kept = [
        path for path in ec2.root.rglob("*") if path.is_file() and path.name not in {"secrets.env", "elastic-iac-0.env"}
    ]
    assert not [path for path in kept if b"not in user data" in path.read_bytes()]


def test_several_replicas_stand_behind_one_port(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.environment["GPUS"] = "4"
    ec2.run(script(gpus_per_replica=2))
    ec2.until(lambda: states(aws)[group] == "InService")
    runs = [line for line in ec2.text("docker.log").splitlines() if line.startswith("run") and "--gpus" in line]
    assert sorted(line.split("--gpus ")[1].split()[0] for line in runs) == ['"device=0,1"', '"device=2,3"']
    assert sorted(line.split("-p ")[1].split(":")[1] for line in runs) == ["18000", "18001"]
    nginx = ec2.text("etc/elastic-iac/nginx.conf")
    assert "server 127.0.0.1:18000 " in nginx
    assert "server 127.0.0.1:18001 " in nginx


def test_the_agent_publishes_the_counter_under_the_groups_name(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.run(script(metrics_path="/metrics", load_metric="vllm:generation_tokens_total"))
    ec2.until(lambda: states(aws)[group] == "InService")
    assert ec2.text("agent.log").startswith("-a fetch-config -m ec2 -s -c file:")
    (scrape,) = yaml.safe_load(ec2.text("etc/elastic-iac/prometheus.yaml"))["scrape_configs"]
    (target,) = scrape["static_configs"]
    assert target["labels"] == {"AutoScalingGroupName": GROUP}
    settings = json.loads(ec2.text("etc/elastic-iac/agent.json"))
    prometheus = settings["logs"]["metrics_collected"]["prometheus"]
    (declared,) = prometheus["emf_processor"]["metric_declaration"]
    assert declared["metric_selectors"] == ["^vllm:generation_tokens_total$"]
    assert declared["dimensions"] == [["AutoScalingGroupName"]]
    assert "utilization_gpu" in settings["metrics"]["metrics_collected"]["nvidia_gpu"]["measurement"]


def test_local_disks_are_joined_formatted_once_and_mounted(aws: LocalAws, group: str, ec2: Instance) -> None:
    devices, log = ec2.root / "dev/disk/by-id", ec2.root / "disks.log"
    devices.mkdir(parents=True)
    for number in (1, 2):
        (ec2.root / f"dev/nvme{number}n1").touch()
        for alias in ("", "_1"):  # udev names each disk twice
            link = devices / f"nvme-Amazon_EC2_NVMe_Instance_Storage_AWS{number}{alias}"
            link.symlink_to(ec2.root / f"dev/nvme{number}n1")
    for tool, code in {"mountpoint": 1, "blkid": 2, "mkfs.ext4": 0, "mount": 0}.items():
        ec2.tool(tool, f'echo "{tool} $*" >>{log}; exit {code}')
    ec2.tool("mdadm", f'echo "mdadm $*" >>{log}; [ "$1" = --create ]')
    ec2.tool("lsblk", 'echo "$3 disk"')
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "InService")
    done = [line for line in log.read_text().splitlines() if line.split()[0] in {"mdadm", "mkfs.ext4", "mount"}]
    disks = f"{ec2.root}/dev/nvme1n1 {ec2.root}/dev/nvme2n1"
    assert done == [
        f"mdadm --assemble /dev/md/elastic-iac {disks}",
        f"mdadm --create /dev/md/elastic-iac --run --level=0 --raid-devices=2 {disks}",
        "mkfs.ext4 -q -E nodiscard /dev/md/elastic-iac",
        f"mount -o discard /dev/md/elastic-iac {ec2.root}/var/lib/elastic-iac",
    ]


def test_disks_that_udev_has_joined_are_mounted_as_they_are(aws: LocalAws, group: str, ec2: Instance) -> None:
    """After a restart the array is there already, under a name of udev's own."""
    devices, log = ec2.root / "dev/disk/by-id", ec2.root / "disks.log"
    devices.mkdir(parents=True)
    for number in (1, 2):
        (devices / f"nvme-Amazon_EC2_NVMe_Instance_Storage_AWS{number}").touch()
    for tool, code in {"mountpoint": 1, "blkid": 0, "mkfs.ext4": 0, "mount": 0, "mdadm": 1}.items():
        ec2.tool(tool, f'echo "{tool} $*" >>{log}; exit {code}')
    ec2.tool("lsblk", 'printf "%s disk\\n/dev/md127 raid0\\n" "$3"')
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "InService")
    done = [line for line in log.read_text().splitlines() if line.split()[0] in {"mdadm", "mkfs.ext4", "mount"}]
    assert done == [f"mount -o discard /dev/md127 {ec2.root}/var/lib/elastic-iac"]


def test_secrets_and_images_are_asked_for_where_they_are(aws: LocalAws, group: str, ec2: Instance) -> None:
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "InService")
    log = ec2.root / "aws.log"
    ec2.tool("aws", f'echo "$*" >>{log}')
    ec2.run_script(f"""
        set -euo pipefail
        . {ec2.root}/opt/elastic-iac/lib.sh
        secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:hub
        login 111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/model:1
    """)
    asked = log.read_text().splitlines()
    assert asked[0].startswith("secretsmanager get-secret-value --region eu-west-1 --secret-id arn:")
    assert asked[1] == "ecr get-login-password --region ap-south-1"


def test_an_instance_of_no_known_group_says_that_its_load_is_not_published(
    aws: LocalAws, group: str, ec2: Instance
) -> None:
    ec2.run(script())
    ec2.until(lambda: states(aws)[group] == "InService")
    ec2.tool("aws", "exit 254")
    ec2.run_script(f"""
        . {ec2.root}/opt/elastic-iac/lib.sh
        METRICS_PATH=/metrics LOAD_METRIC=requests
        {AGENT}
        ! configure_agent 127.0.0.1:9000 2>{ec2.root}/said
    """)
    assert "DescribeAutoScalingInstances" in ec2.text("said")
    assert ec2.text("agent.log") == ""


def test_disks_that_a_stop_wipes_are_left_alone(aws: LocalAws, group: str, ec2: Instance) -> None:
    (ec2.root / "dev/disk/by-id").mkdir(parents=True)
    (ec2.root / "dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1").touch()
    ec2.tool("mount", "exit 1")
    platform = AwsPlatform("us-east-1", local_disks=False)
    ec2.run(boot_script(settled({**CUSTOM, "port": free_port()}), platform))
    ec2.until(lambda: states(aws)[group] == "InService")


@pytest.fixture
def checkpoints(aws: LocalAws) -> Any:
    """A bucket with the checkpoint of an earlier run."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="checkpoints")
    s3.put_object(Bucket="checkpoints", Key="run-1/step-0.pt", Body=b"step 0")
    return s3


def uploaded(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="checkpoints")["Contents"]]


@WITH_THE_REAL_CLI
def test_a_trainer_that_is_interrupted_writes_its_checkpoint_and_leaves(ec2: Instance, checkpoints: Any) -> None:
    ec2.run(boot_script(settled({**PYTORCH, "rendezvous": "10.0.0.1:29400"}), AwsPlatform("us-east-1")))
    ec2.until(lambda: ec2.text("var/lib/elastic-iac/checkpoint/step-2.pt.tmp"))
    assert ec2.text("var/lib/elastic-iac/checkpoint/step-0.pt") == "step 0"
    assert uploaded(checkpoints) == ["run-1/step-0.pt"]
    ec2.metadata["events/recommendations/rebalance"] = '{"noticeTime": "2026-03-01T10:00:00Z"}'
    ec2.until(lambda: "run-1/step-1.pt" in uploaded(checkpoints))
    assert ec2.running("container-elastic-iac-trainer"), "a recommendation is no end"
    ec2.metadata["spot/instance-action"] = '{"action": "terminate", "time": "2026-03-01T10:02:00Z"}'
    ec2.until(lambda: not ec2.running("elastic-iac-watch.service"))
    assert not ec2.running("container-elastic-iac-trainer")
    assert uploaded(checkpoints) == ["run-1/step-0.pt", "run-1/step-1.pt", "run-1/step-2.pt"]
    assert (
        checkpoints.get_object(Bucket="checkpoints", Key="run-1/step-2.pt")["Body"].read()
        == b"step 2, written at the end"
    )
    run = next(line for line in ec2.text("docker.log").splitlines() if line.startswith("run"))
    assert "torchrun --nnodes=1:4 --nproc-per-node=gpu" in run
    assert "--rdzv-endpoint=10.0.0.1:29400 /workspace/train.py --steps 1000" in run


def test_a_trainer_in_a_warm_pool_is_made_ready_and_waits(ec2: Instance, checkpoints: Any) -> None:
    ec2.metadata["autoscaling/target-lifecycle-state"] = "Warmed:Running"
    ec2.run(boot_script(settled({**PYTORCH, "rendezvous": "10.0.0.1:29400"}), AwsPlatform("us-east-1")))
    ec2.until(lambda: ec2.text("var/lib/elastic-iac/checkpoint/step-0.pt"))
    assert "run " not in ec2.text("docker.log")
    ec2.metadata["autoscaling/target-lifecycle-state"] = "InService"
    ec2.until(lambda: ec2.running("container-elastic-iac-trainer"))


@pytest.fixture
def gce(tmp_path: Path) -> Iterator[Instance]:
    """An instance of Google Cloud."""
    metadata = {"preempted": "FALSE", "maintenance-event": "NONE", "network-interfaces/0/ip": "10.0.0.3"}
    with instance(tmp_path / "root", GcpMetadata, metadata, {}) as made:
        yield made


def test_a_server_on_google_cloud_boots_with_model_secret_and_agent(gce: Instance) -> None:
    for path, content in {"buckets/models/ranking/1/model.onnx": "weights", "secrets/hub": "not in metadata"}.items():
        (gce.root / path).parent.mkdir(parents=True, exist_ok=True)
        (gce.root / path).write_text(content)
    gce.run(boot_script(settled({**TRITON, "port": free_port()}), GCP))
    gce.until(lambda: gce.running("container-elastic-iac-0"))
    assert gce.text("var/lib/elastic-iac/model/1/model.onnx") == "weights"
    gce.until(lambda: "HF_TOKEN=not in metadata" in gce.text("elastic-iac-0.env"))
    pipelines = yaml.safe_load(gce.text("etc/google-cloud-ops-agent/config.yaml"))["metrics"]
    (scrape,) = pipelines["receivers"]["elastic_iac"]["config"]["scrape_configs"]
    assert scrape["static_configs"] == [
        {"targets": ["127.0.0.1:19000"], "labels": {"elastic_iac_group": GCP.group_label}}
    ]
    (kept,) = scrape["metric_relabel_configs"]
    assert (kept["regex"], kept["action"]) == ("nv_inference_request_success", "keep")
    assert "restart google-cloud-ops-agent.service" in gce.text("systemctl.log")


def test_a_preempted_trainer_writes_its_checkpoint_and_leaves(gce: Instance) -> None:
    folder = gce.root / "buckets/checkpoints/run-1"
    folder.mkdir(parents=True)
    (gce.root / "instances").write_text("10.0.0.2\n10.0.0.3\n10.0.0.4\n")
    gce.run(boot_script(settled(KERAS), GCP))
    gce.until(lambda: gce.text("var/lib/elastic-iac/checkpoint/step-1.pt"))
    assert (
        'TF_CONFIG={"cluster":{"worker":["10.0.0.2:2222","10.0.0.3:2222"]},"task":{"type":"worker","index":1}}'
        in gce.text("elastic-iac-trainer.env")
    )
    gce.metadata["maintenance-event"] = "TERMINATE_ON_HOST_MAINTENANCE"
    gce.until((folder / "step-1.pt").exists)
    assert gce.running("container-elastic-iac-trainer")
    gce.metadata["preempted"] = "TRUE"
    gce.until((folder / "step-2.pt").exists)
    assert not gce.running("container-elastic-iac-trainer")


def test_a_node_beyond_the_fixed_number_stands_by(gce: Instance) -> None:
    (gce.root / "buckets/checkpoints/run-1").mkdir(parents=True)
    (gce.root / "instances").write_text("10.0.0.1\n10.0.0.2\n10.0.0.3\n")
    gce.run(boot_script(settled(KERAS), GCP))
    gce.until(lambda: "has its 2 workers" in gce.text("journal"))
    assert not gce.running("container-elastic-iac-trainer")


def test_the_images_own_installer_brings_the_driver(gce: Instance) -> None:
    (gce.root / "tools/nvidia-smi").unlink()
    installer = gce.root / "opt/deeplearning/install-driver.sh"
    installer.parent.mkdir(parents=True)
    installer.write_text(f"#!/bin/sh\ncp {STAND_INS}/nvidia-smi {gce.root}/tools\n")
    installer.chmod(0o755)
    gce.run(boot_script(settled({**CUSTOM, "port": free_port()}), GCP))
    gce.until(lambda: gce.running("container-elastic-iac-0"))
