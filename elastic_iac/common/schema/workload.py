"""What runs on a pool: arguments that both clouds share."""

from typing import Annotated

from elastic_iac.common.schema.base import Arguments, Value
from elastic_iac.common.validation import ANYTHING, PORT, one_of, whole

PlainPort = Annotated[int, PORT]
PlainText = Annotated[str, ANYTHING]
Deferred = Annotated[Value[str], ANYTHING]
"""A text that `elastic_iac.workload` checks, since what is right depends on the cloud and the preset."""


class GpuWorkload(Arguments):
    """A model server on each instance of a pool, one replica per `gpus_per_replica` accelerators."""

    image: Deferred
    """Container image with its tag or digest, such as 'vllm/vllm-openai:v0.11.0'; the instance's role pulls from ECR or Artifact Registry."""
    preset: PlainText | None = None
    """'vllm', 'triton', 'torchserve' or 'tensorflow-serving': the server's ports, paths, arguments and load. Else give `port` and `health_path`."""
    model: Deferred | None = None
    """Folder that is fetched at each boot: 's3://BUCKET/PREFIX' on AWS, 'gs://BUCKET/PREFIX' on Google Cloud."""
    model_path: PlainText | None = None
    """Where the container finds the model; the preset's, which TensorFlow Serving cannot change, or '/model'."""
    port: PlainPort | None = None
    """Port on which the server, and so the instance, answers over HTTP; the preset's by default."""
    health_path: PlainText | None = None
    """Path that answers 200 once the model is loaded; the preset's by default."""
    metrics_port: PlainPort | None = None
    """Port of the server's Prometheus metrics in its container; the preset's, or `port`. Triton and TorchServe are started with it; other presets
    have them at `port`."""
    metrics_path: PlainText | None = None
    """Path of the server's Prometheus metrics; the preset's by default. Without a preset and a path, no load is published."""
    load_metric: PlainText | None = None
    """Prometheus counter that is the load, such as 'vllm:request_success_total'; the preset's by default (vLLM: tokens, else requests)."""
    gpus_per_replica: Annotated[int, whole(1, 64)] = 1
    """Accelerators of one replica. An instance runs as many replicas as it has room for, behind `port`."""
    arguments: list[PlainText] | None = None
    """Arguments of the server, after the preset's."""
    environment: dict[str, Deferred] | None = None
    """Environment variables. No secrets: they would be readable in the instance's user data; see `secrets`."""
    secrets: dict[str, Deferred] | None = None
    """Environment variable to the secret that holds its value, read at boot by the instance's role: the ARN of a Secrets Manager secret, or
    'projects/PROJECT/secrets/NAME'."""
    boot_limit_seconds: Annotated[int, whole(60, 172_800)] | None = None
    """An instance whose server does not answer by then is replaced; 1800 or twice the lead time by default, never less than it."""


class GpuTraining(Arguments):
    """Elastic training on the instances of a pool, one node an instance, all its accelerators."""

    image: Deferred
    """Container image with its tag or digest, for example 'pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime'."""
    arguments: list[PlainText]
    """The training script and its arguments (PyTorch), or the whole command (TensorFlow)."""
    framework: Annotated[str, one_of("pytorch", "tensorflow")] = "pytorch"
    """With 'pytorch' `torchrun` joins and leaves nodes; 'tensorflow' uses `TF_CONFIG`, with a fixed number of nodes."""
    min_nodes: Annotated[int, whole(1, 10_000)] = 1
    """Training continues with this many nodes."""
    max_nodes: Annotated[int, whole(1, 10_000)] | None = None
    """Nodes at most; `min_nodes` by default."""
    rendezvous: Deferred | None = None
    """'HOST:PORT' where nodes meet, of a machine that outlives them; by default of the pool's oldest node: when that goes, all restart."""
    checkpoint: Deferred | None = None
    """Folder that `/checkpoint` is synchronised with: 's3://BUCKET/PREFIX' on AWS, 'gs://BUCKET/PREFIX' on Google Cloud."""
    checkpoint_seconds: Annotated[int, whole(10, 86_400)] = 300
    """Between two uploads of new checkpoints."""
    max_restarts: Annotated[int, whole(0, 1000)] = 100
    """Restarts of the workers after a failure before the node stops. A node that comes or goes is none."""
    environment: dict[str, Deferred] | None = None
    """Environment variables. No secrets: they would be readable in the instance's user data; see `secrets`."""
    secrets: dict[str, Deferred] | None = None
    """Environment variable to the secret that holds its value, read at boot by the instance's role: the ARN of a Secrets Manager secret, or
    'projects/PROJECT/secrets/NAME'."""
