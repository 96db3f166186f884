"""What the tests of workloads share."""

from __future__ import annotations

from typing import Any

from elastic_iac.workload import (
    AwsPlatform,
    GcpPlatform,
    Platform,
    Training,
    Workload,
    settle_training,
    settle_workload,
)

AWS = AwsPlatform("eu-central-1")
GCP = GcpPlatform("shop-prod", "llm-europe-west1-0a1b2c")

AWS_SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hub-AbCdEf"
GCP_SECRET = "projects/shop-prod/secrets/hub"

VLLM: dict[str, Any] = {
    "image": "vllm/vllm-openai:v0.11.0",
    "preset": "vllm",
    "model": "s3://models/llama-3.1-8b",
    "gpus_per_replica": 2,
    "arguments": ["--max-model-len", "8192", "--served-model-name", "it's"],
    "environment": {"VLLM_LOGGING_LEVEL": "WARNING"},
    "secrets": {"HF_TOKEN": AWS_SECRET},
}
TRITON: dict[str, Any] = {
    "image": "nvcr.io/nvidia/tritonserver:25.08-py3",
    "preset": "triton",
    "model": "gs://models/ranking",
    "secrets": {"HF_TOKEN": GCP_SECRET},
}
TORCHSERVE: dict[str, Any] = {
    "image": "pytorch/torchserve:0.12.0-gpu",
    "preset": "torchserve",
    "model": "s3://models/store",
}
TENSORFLOW: dict[str, Any] = {
    "image": "tensorflow/serving:2.19.0-gpu",
    "preset": "tensorflow-serving",
    "model": "gs://models/resnet",
}
CUSTOM: dict[str, Any] = {"image": "ghcr.io/shop/model:1", "port": 9000, "health_path": "/up"}
PYTORCH: dict[str, Any] = {
    "image": "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime",
    "arguments": ["/workspace/train.py", "--steps", "1000"],
    "min_nodes": 1,
    "max_nodes": 4,
    "checkpoint": "s3://checkpoints/run-1",
}
KERAS: dict[str, Any] = {
    "image": "tensorflow/tensorflow:2.19.0-gpu",
    "framework": "tensorflow",
    "arguments": ["python", "/workspace/train.py"],
    "min_nodes": 2,
    "checkpoint": "gs://checkpoints/run-1",
}


def cloud_of(args: dict[str, Any]) -> Any:
    return "gcp" if "gs://" in str(args) else "aws"


def settled(args: dict[str, Any]) -> Workload | Training:
    """The arguments, checked for the cloud that their folders are in."""
    given: Any = args
    if "preset" in args or "port" in args:
        return settle_workload("workload", given, cloud=cloud_of(args))
    return settle_training("training", given, cloud=cloud_of(args))


def platform_of(args: dict[str, Any]) -> Platform:
    return GCP if cloud_of(args) == "gcp" else AWS
