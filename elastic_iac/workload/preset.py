"""What is known of four model servers: ports, paths, arguments, configuration and the counter that is their load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MODEL_PATH = "/model"
"""Where a container finds its model, unless the preset or the user says otherwise."""
CONFIGURATION = "/etc/elastic-iac"
"""Where a container finds the files that we write for it."""


@dataclass(frozen=True)
class Serving:
    """Where a server is asked to be: its ports, its accelerators, and the path of the model that it is given; None without one."""

    port: int
    metrics_port: int
    gpus: int
    model_path: str | None


@dataclass(frozen=True)
class Preset:
    """A server's defaults. `arguments` and `files` are functions of where it is asked to be."""

    port: int
    health_path: str
    metrics_path: str
    load_metric: str
    arguments: Callable[[Serving], list[str]]
    metrics_port: int | None = None
    model_path: str = MODEL_PATH
    files: Callable[[Serving], Mapping[str, str]] = field(default=lambda _serving: {})
    fixed_model_path: bool = False
    """The server finds its models nowhere else."""
    own_arguments: str | None = None
    """Where arguments of the user cannot be passed on: what to do instead."""


def _vllm(serving: Serving) -> list[str]:
    model = [] if serving.model_path is None else ["--model", serving.model_path]
    return [*model, "--port", str(serving.port), "--tensor-parallel-size", str(serving.gpus)]


def _triton(serving: Serving) -> list[str]:
    ports = [f"--http-port={serving.port}", f"--metrics-port={serving.metrics_port}", "--allow-grpc=false"]
    return ["tritonserver", f"--model-repository={serving.model_path or MODEL_PATH}", *ports]


def _tensorflow(serving: Serving) -> list[str]:
    return [f"--rest_api_port={serving.port}", f"--monitoring_config_file={CONFIGURATION}/monitoring.config"]


def _tensorflow_files(_serving: Serving) -> Mapping[str, str]:
    content = f'prometheus_config {{ enable: true, path: "{_TENSORFLOW_METRICS}" }}\n'
    return {f"{CONFIGURATION}/monitoring.config": content}


def _torchserve_files(serving: Serving) -> Mapping[str, str]:
    lines = (
        f"inference_address=http://0.0.0.0:{serving.port}",
        "management_address=http://127.0.0.1:8081",
        f"metrics_address=http://0.0.0.0:{serving.metrics_port}",
        "metrics_mode=prometheus",
        f"model_store={serving.model_path or _TORCHSERVE_MODELS}",
        "load_models=all",
        "disable_token_authorization=true",
        "enable_envvars_config=true",
    )
    return {"/home/model-server/config.properties": "".join(f"{line}\n" for line in lines)}


_TRITON_METRICS = 8002
_TORCHSERVE_METRICS = 8082
_TORCHSERVE_MODELS = "/home/model-server/model-store"
_TENSORFLOW_METRICS = "/monitoring/prometheus/metrics"

PRESETS: Mapping[str, Preset] = {
    # https://docs.vllm.ai/en/latest/usage/metrics.html; the image's entry point is the OpenAI-compatible server.
    "vllm": Preset(8000, "/health", "/metrics", "vllm:generation_tokens_total", _vllm),
    # https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
    "triton": Preset(
        8000, "/v2/health/ready", "/metrics", "nv_inference_request_success", _triton, metrics_port=_TRITON_METRICS
    ),
    # https://pytorch.org/serve/configuration.html and metrics.html; the image reads this one file and takes no arguments.
    "torchserve": Preset(
        8080,
        "/ping",
        "/metrics",
        "ts_inference_requests_total",
        lambda _serving: [],
        metrics_port=_TORCHSERVE_METRICS,
        model_path=_TORCHSERVE_MODELS,
        files=_torchserve_files,
        own_arguments="none: TorchServe takes its settings from `environment`, as TS_NAME",
    ),
    # https://www.tensorflow.org/tfx/serving/docker and serving_config; the image serves /models/model.
    "tensorflow-serving": Preset(
        8501,
        "/v1/models/model",
        _TENSORFLOW_METRICS,
        ":tensorflow:serving:request_count",
        _tensorflow,
        model_path="/models/model",
        fixed_model_path=True,
        files=_tensorflow_files,
    ),
}
