"""What runs on a pool.

Generated from `elastic_iac/common/schema/workload.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi



class GpuWorkload(TypedDict):
    """A model server on each instance of a pool, one replica per `gpus_per_replica` accelerators."""

    image: pulumi.Input[str]
    """Container image with its tag or digest, such as 'vllm/vllm-openai:v0.11.0'; the instance's
    role pulls from ECR or Artifact Registry."""
    preset: NotRequired[str]
    """'vllm', 'triton', 'torchserve' or 'tensorflow-serving': the server's ports, paths, arguments
    and load. Else give `port` and `health_path`."""
    model: NotRequired[pulumi.Input[str]]
    """Folder that is fetched at each boot: 's3://BUCKET/PREFIX' on AWS, 'gs://BUCKET/PREFIX' on
    Google Cloud."""
    model_path: NotRequired[str]
    """Where the container finds the model; the preset's, which TensorFlow Serving cannot change, or
    '/model'."""
    port: NotRequired[float]
    """Port on which the server, and so the instance, answers over HTTP; the preset's by default.
    From 1 to 65535."""
    health_path: NotRequired[str]
    """Path that answers 200 once the model is loaded; the preset's by default."""
    metrics_port: NotRequired[float]
    """Port of the server's Prometheus metrics in its container; the preset's, or `port`. Triton and
    TorchServe are started with it; other presets have them at `port`. From 1 to 65535."""
    metrics_path: NotRequired[str]
    """Path of the server's Prometheus metrics; the preset's by default. Without a preset and a
    path, no load is published."""
    load_metric: NotRequired[str]
    """Prometheus counter that is the load, such as 'vllm:request_success_total'; the preset's by
    default (vLLM: tokens, else requests)."""
    gpus_per_replica: NotRequired[float]
    """Accelerators of one replica. An instance runs as many replicas as it has room for, behind
    `port`. From 1 to 64. Default: 1."""
    arguments: NotRequired[list[str]]
    """Arguments of the server, after the preset's."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variables. No secrets: they would be readable in the instance's user data; see
    `secrets`."""
    secrets: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variable to the secret that holds its value, read at boot by the instance's role:
    the ARN of a Secrets Manager secret, or 'projects/PROJECT/secrets/NAME'."""
    boot_limit_seconds: NotRequired[float]
    """An instance whose server does not answer by then is replaced; 1800 or twice the lead time by
    default, never less than it. From 60 to 172800."""


class GpuTraining(TypedDict):
    """Elastic training on the instances of a pool, one node an instance, all its accelerators."""

    image: pulumi.Input[str]
    """Container image with its tag or digest, for example
    'pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime'."""
    arguments: list[str]
    """The training script and its arguments (PyTorch), or the whole command (TensorFlow)."""
    framework: NotRequired[str]
    """With 'pytorch' `torchrun` joins and leaves nodes; 'tensorflow' uses `TF_CONFIG`, with a fixed
    number of nodes. One of 'pytorch', 'tensorflow'. Default: 'pytorch'."""
    min_nodes: NotRequired[float]
    """Training continues with this many nodes. From 1 to 10000. Default: 1."""
    max_nodes: NotRequired[float]
    """Nodes at most; `min_nodes` by default. From 1 to 10000."""
    rendezvous: NotRequired[pulumi.Input[str]]
    """'HOST:PORT' where nodes meet, of a machine that outlives them; by default of the pool's
    oldest node: when that goes, all restart."""
    checkpoint: NotRequired[pulumi.Input[str]]
    """Folder that `/checkpoint` is synchronised with: 's3://BUCKET/PREFIX' on AWS,
    'gs://BUCKET/PREFIX' on Google Cloud."""
    checkpoint_seconds: NotRequired[float]
    """Between two uploads of new checkpoints. From 10 to 86400. Default: 300."""
    max_restarts: NotRequired[float]
    """Restarts of the workers after a failure before the node stops. A node that comes or goes is
    none. From 0 to 1000. Default: 100."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variables. No secrets: they would be readable in the instance's user data; see
    `secrets`."""
    secrets: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variable to the secret that holds its value, read at boot by the instance's role:
    the ARN of a Secrets Manager secret, or 'projects/PROJECT/secrets/NAME'."""
