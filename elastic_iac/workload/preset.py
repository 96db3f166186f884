"""What is known of four model servers: ports, paths, arguments, configuration and the counter that is their load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

CONFIGURATION = "/etc/elastic-iac"
"""Where a container finds the files that we write for it."""


@dataclass(frozen=True)
class Preset:
    """A server's defaults. `arguments` and `files` are functions of its port, its accelerators and whether it is given a model."""

    port: int
    health_path: str
    metrics_path: str
    load_metric: str
    arguments: Callable[[int, int, bool], list[str]]
    metrics_port: int | None = None
    model_path: str = "/model"
    files: Callable[[int], Mapping[str, str]] = field(default=lambda _port: {})
    own_arguments: str | None = None
    """Where arguments of the user cannot be passed on: what to do instead."""


def _vllm(port: int, gpus: int, has_model: bool) -> list[str]:
    model = ["--model", "/model"] if has_model else []
    return [*model, "--port", str(port), "--tensor-parallel-size", str(gpus)]


def _triton(port: int, _gpus: int, _has_model: bool) -> list[str]:
    ports = [f"--http-port={port}", f"--metrics-port={_TRITON_METRICS}", "--allow-grpc=false"]
    return ["tritonserver", "--model-repository=/model", *ports]


def _tensorflow(port: int, _gpus: int, _has_model: bool) -> list[str]:
    return [f"--rest_api_port={port}", f"--monitoring_config_file={CONFIGURATION}/monitoring.config"]


def _tensorflow_files(_port: int) -> Mapping[str, str]:
    content = f'prometheus_config {{ enable: true, path: "{_TENSORFLOW_METRICS}" }}\n'
    return {f"{CONFIGURATION}/monitoring.config": content}


def _torchserve_files(port: int) -> Mapping[str, str]:
    lines = (
        f"inference_address=http://0.0.0.0:{port}",
        "management_address=http://127.0.0.1:8081",
        f"metrics_address=http://0.0.0.0:{_TORCHSERVE_METRICS}",
        "metrics_mode=prometheus",
        "model_store=/home/model-server/model-store",
        "load_models=all",
        "disable_token_authorization=true",
        "enable_envvars_config=true",
    )
    return {"/home/model-server/config.properties": "".join(f"{line}\n" for line in lines)}


_TRITON_METRICS = 8002
_TORCHSERVE_METRICS = 8082
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
        lambda _port, _gpus, _has_model: [],
        metrics_port=_TORCHSERVE_METRICS,
        model_path="/home/model-server/model-store",
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
        files=_tensorflow_files,
    ),
}
