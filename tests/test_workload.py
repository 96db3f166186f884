from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastic_iac.workload import (
    AwsPlatform,
    Workload,
    boot_output,
    boot_script,
    load_of,
    settle_training,
    settle_workload,
)
from elastic_iac.workload.preset import PRESETS
from elastic_iac.workload.render import AWS_LIMIT_BYTES
from forecasting.errors import SettingsError
from forecasting.settings.aws import CloudWatchMetric
from forecasting.settings.gcp import MonitoringMetric
from tests.recording import GOLDEN
from tests.workloads import (
    AWS,
    AWS_SECRET,
    CUSTOM,
    GCP,
    KERAS,
    PYTORCH,
    TENSORFLOW,
    TORCHSERVE,
    TRITON,
    VLLM,
    platform_of,
    settled,
)

EVERY: Mapping[str, dict[str, Any]] = {
    "vllm": VLLM,
    "triton": TRITON,
    "torchserve": TORCHSERVE,
    "tensorflow-serving": TENSORFLOW,
    "custom": CUSTOM,
    "pytorch": PYTORCH,
    "keras": KERAS,
}


def rendered(args: dict[str, Any]) -> str:
    return boot_script(settled(args), platform_of(args))


def shellcheck(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Its verdict; the development environment brings it where its package has a program for the machine."""
    beside = Path(sys.executable).parent
    found = shutil.which("shellcheck", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("no shellcheck here")
    return subprocess.run([found, *map(str, paths)], capture_output=True, text=True, check=False, timeout=120)


def installed(script: str, root: Path) -> Path:
    """What the script installs, under `root`, with a systemctl that does nothing."""
    tools = root / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "systemctl").write_text("#!/bin/sh\n")
    (tools / "systemctl").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "ELASTIC_IAC_ROOT": str(root)}
    subprocess.run(["bash", "-c", script], env=environment, check=True, timeout=60)
    return root


@pytest.mark.parametrize("name", EVERY)
def test_a_boot_script_is_the_golden_one_and_fits(name: str) -> None:
    script, path = rendered(EVERY[name]), GOLDEN / "workload" / f"{name}.sh"
    if "UPDATE_GOLDEN" in os.environ:
        path.write_text(script)
    assert script == path.read_text()
    assert len(script.encode()) < AWS_LIMIT_BYTES


@pytest.mark.parametrize("name", EVERY)
def test_a_boot_script_and_all_that_it_installs_pass_shellcheck(name: str, tmp_path: Path) -> None:
    script = tmp_path / "user-data.sh"
    script.write_text(rendered(EVERY[name]))
    helpers = sorted((installed(script.read_text(), tmp_path / "root") / "opt/elastic-iac").glob("*.sh"))
    assert len(helpers) >= 3
    done = shellcheck(script, *helpers)
    assert done.returncode == 0, done.stdout


def test_what_runs_is_replaced_whole_when_the_script_runs_again(tmp_path: Path) -> None:
    """Google Cloud runs it at each boot, beside the units: a shell reads a script as it goes."""
    root = installed(rendered(TRITON), tmp_path / "root")
    first = {path: (path.read_text(), path.stat().st_ino) for path in root.rglob("*.sh")}
    with (root / "opt/elastic-iac/boot.sh").open() as reader:
        installed(rendered({**TRITON, "gpus_per_replica": 4}), root)
        assert reader.read() == first[root / "opt/elastic-iac/boot.sh"][0]
    assert "GPUS_PER_REPLICA=4" in (root / "etc/elastic-iac/settings").read_text()
    assert {path.read_text() for path in first} == {text for text, _ in first.values()}
    assert all(path.stat().st_ino != inode for path, (_, inode) in first.items())
    assert not list(root.rglob("*.new"))


def test_shellcheck_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nrm $1\n")
    assert "SC2086" in shellcheck(tmp_path / "bad.sh").stdout


REFUSED: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "unknown preset": ({**VLLM, "preset": "sglang"}, "workload.preset", "'vllm', 'triton'"),
    "no port": ({"image": "a:1", "health_path": "/up", "port": None, "preset": None}, "workload.port", "preset"),
    "no health path": ({"image": "a:1", "port": 80}, "workload.health_path", "preset"),
    "no tag": ({**VLLM, "image": "vllm/vllm-openai"}, "workload.image", "tag or digest"),
    "model of the other cloud": ({**VLLM, "model": "gs://models/x"}, "workload.model", "s3://BUCKET/PREFIX"),
    "half a replica": ({**VLLM, "gpus_per_replica": 0.5}, "workload.gpus_per_replica", "whole number"),
    "arguments of TorchServe": ({**TORCHSERVE, "arguments": ["--ncs"]}, "workload.arguments", "TS_NAME"),
    "another path for TensorFlow Serving": (
        {**TENSORFLOW, "model_path": "/opt/model"},
        "workload.model_path",
        "'/models/model'",
    ),
    "metrics beside vLLM": ({**VLLM, "metrics_port": 9000}, "workload.metrics_port", "nothing, or 8000"),
    "Triton's metrics at its port": ({**TRITON, "metrics_port": 8000}, "workload.metrics_port", "another port"),
    "two lines": ({**VLLM, "environment": {"A": "b\nC=d"}}, "workload.environment.A", "one line"),
    "no variable": ({**VLLM, "environment": {"A B": "c"}}, "workload.environment", "variable's name"),
    "a counter alone": ({**CUSTOM, "load_metric": "requests_total"}, "workload.metrics_path", "load_metric"),
    "a secret twice": (
        {**VLLM, "environment": {"HF_TOKEN": "1"}},
        "workload.secrets.HF_TOKEN",
        "`environment` has it too",
    ),
    "no ARN": ({**VLLM, "secrets": {"HF_TOKEN": "hub"}}, "workload.secrets.HF_TOKEN", "arn:aws:secretsmanager"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_workload_names_the_field_and_what_is_right(case: str) -> None:
    args, field, expected = REFUSED[case]
    with pytest.raises(SettingsError) as caught:
        settle_workload("workload", args, cloud="aws")  # pyright: ignore[reportArgumentType] - wrong on purpose
    assert caught.value.field == field
    assert expected in caught.value.expected


REFUSED_TRAINING: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "fewer than the least": ({**PYTORCH, "min_nodes": 5}, "training.max_nodes", "at least min_nodes, 5"),
    "elastic TensorFlow": (
        {**PYTORCH, "framework": "tensorflow"},
        "training.max_nodes",
        "TF_CONFIG names a fixed number",
    ),
    "no port of the rendezvous": ({**PYTORCH, "rendezvous": "host"}, "training.rendezvous", "HOST:PORT"),
    "nothing to run": ({**PYTORCH, "arguments": []}, "training.arguments", "training script"),
    "checkpoints elsewhere": ({**PYTORCH, "checkpoint": "/mnt"}, "training.checkpoint", "s3://BUCKET/PREFIX"),
}


@pytest.mark.parametrize("case", REFUSED_TRAINING)
def test_wrong_training_names_the_field_and_what_is_right(case: str) -> None:
    args, field, expected = REFUSED_TRAINING[case]
    with pytest.raises(SettingsError) as caught:
        settle_training("training", args, cloud="aws")  # pyright: ignore[reportArgumentType] - wrong on purpose
    assert caught.value.field == field
    assert expected in caught.value.expected


LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=40, max_size=60)
FORMS = ("hf_{}", "ghp_{}", "github_pat_{}", "sk-{}", "xoxb-{}", "nvapi-{}", "https://user:{}@host/", "ya29.{}")
SECRETS = st.one_of(
    st.tuples(st.sampled_from(FORMS), LETTERS).map(lambda both: both[0].format(both[1])),
    LETTERS.map(lambda letters: "AKIA" + letters[:16].upper()),
    LETTERS.map(lambda letters: "AIza" + letters[:35]),
)
TELLING = st.sampled_from(["HF_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "client_secret"])


@given(secret=SECRETS, prefix=st.sampled_from(["", "key=", "Bearer "]))
def test_a_secret_by_its_form_is_refused_wherever_it_stands_and_not_shown(secret: str, prefix: str) -> None:
    for field, value in (("environment", {"SETTING": prefix + secret}), ("arguments", ["--setting", prefix + secret])):
        with pytest.raises(SettingsError) as caught:
            settled({**VLLM, field: value})
        assert secret not in str(caught.value)
        assert "secrets" in caught.value.expected


@given(name=TELLING, value=LETTERS)
def test_a_secret_by_its_name_is_refused_and_not_shown(name: str, value: str) -> None:
    option = f"--{name.lower().replace('_', '-')}"
    for field, given_value in (
        ("environment", {name: value}),
        ("arguments", [option, value]),
        ("arguments", [f"{option}={value}"]),
        ("secrets", {name: value}),
    ):
        with pytest.raises(SettingsError) as caught:
            settled({**VLLM, field: given_value})
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_TOKEN", "512"), ("TOKENIZERS_PARALLELISM", "false"), ("API_KEY_FILE", "/run/key"), ("TS_TOKEN", "true")],
)
def test_what_only_sounds_like_a_secret_is_taken(name: str, value: str) -> None:
    assert f"{name}={value}\n" in rendered({**VLLM, "environment": {name: value}})


@given(
    values=st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9]{0,8}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    )
)
def test_variables_reach_the_container_as_they_are(values: dict[str, str]) -> None:
    script = rendered({**CUSTOM, "environment": values})
    for name, value in values.items():
        assert f"\n{name}={value}\n" in script


@given(
    arguments=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20), max_size=5
    )
)
def test_arguments_survive_the_shell(arguments: list[str]) -> None:
    workload = settled({**CUSTOM, "arguments": arguments})
    script = boot_script(workload, AWS)
    line = next(line for line in script.split("\n") if line.startswith("ARGUMENTS=("))
    printed = subprocess.run(
        ["bash", "-c", f'{line}\n[ "${{#ARGUMENTS[@]}}" -eq 0 ] || printf "%s\\0" "${{ARGUMENTS[@]}}"'],
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert printed.split("\0")[:-1] == arguments


def test_too_much_for_user_data_is_said_in_bytes() -> None:
    args = {**VLLM, "environment": {f"V{index}": "x" * 500 for index in range(20)}}
    with pytest.raises(SettingsError, match=r"workload: got 'a boot script of \d+ bytes'.* user data takes 16384"):
        rendered(args)
    assert boot_script(settled({**TRITON, "environment": args["environment"]}), GCP)


def test_a_name_is_rendered_where_a_secret_is_meant() -> None:
    assert f"SECRETS=(HF_TOKEN={AWS_SECRET})" in rendered(VLLM)


LOADS = {
    "vllm": "vllm:generation_tokens_total",
    "triton": "nv_inference_request_success",
    "torchserve": "ts_inference_requests_total",
    "tensorflow-serving": ":tensorflow:serving:request_count",
}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_presets_load_is_one_that_the_job_can_read(preset: str) -> None:
    workload = settled(EVERY[preset])
    assert isinstance(workload, Workload)
    load = load_of(workload)
    assert load is not None
    assert load.counter == LOADS[preset]
    aws = load.aws()
    assert CloudWatchMetric.model_validate(aws).statistic == "Sum"
    gcp = {("type" if name == "metric_type" else name): value for name, value in load.gcp("web").items()}
    assert MonitoringMetric.model_validate(gcp).type == f"prometheus.googleapis.com/{LOADS[preset]}/counter"
    script = boot_script(workload, platform_of(EVERY[preset]))
    assert f"LOAD_METRIC={LOADS[preset]}\n" in script
    if platform_of(EVERY[preset]) is AWS:
        assert f"NAMESPACE={aws['namespace']}\n" in script


MOVED: dict[str, Any] = {"model_path": "/opt/models", "metrics_port": 9102}


def test_a_server_is_told_where_its_model_and_its_metrics_are() -> None:
    vllm = settled({**VLLM, "model_path": "/opt/models"})
    assert isinstance(vllm, Workload)
    assert vllm.arguments[:2] == ("--model", vllm.model_path)
    triton, torchserve = settled({**TRITON, **MOVED}), settled({**TORCHSERVE, **MOVED})
    assert isinstance(triton, Workload)
    assert isinstance(torchserve, Workload)
    assert {"--model-repository=/opt/models", "--metrics-port=9102"} <= set(triton.arguments)
    (properties,) = torchserve.files.values()
    assert {"metrics_address=http://0.0.0.0:9102", "model_store=/opt/models"} <= set(properties.splitlines())
    assert {triton.metrics_port, torchserve.metrics_port} == {9102}


def test_a_server_that_publishes_nothing_has_no_load() -> None:
    workload = settled(CUSTOM)
    assert isinstance(workload, Workload)
    assert load_of(workload) is None
    counted = settled({**CUSTOM, "load_metric": "requests_total", "metrics_path": "/metrics"})
    assert isinstance(counted, Workload)
    assert load_of(counted) is not None


def test_a_group_without_a_hook_has_no_unit_that_waits_for_one() -> None:
    assert "elastic-iac-ready" in boot_script(settled(VLLM), AWS)
    assert "elastic-iac-ready" not in boot_script(settled(VLLM), AwsPlatform("eu-central-1", lifecycle_hook=None))


Later = Callable[[Any], Any]


def resolved(args: Callable[[], dict[str, Any]]) -> str:
    """The script of arguments with outputs, which are made and awaited in one event loop."""

    async def value() -> str:
        script = boot_output(settled(args()), pulumi.Output.from_input(AWS))
        return await script.future() or ""

    return asyncio.run(value())


def test_outputs_are_waited_for() -> None:
    later: Later = pulumi.Output.from_input
    script = resolved(lambda: {**VLLM, "model": later("s3://models/llama"), "environment": {"MODE": later("fast")}})
    assert script == rendered({**VLLM, "model": "s3://models/llama", "environment": {"MODE": "fast"}})


def test_an_output_is_not_rendered_before_it_is_known() -> None:
    async def too_early() -> None:
        boot_script(settled({**VLLM, "model": pulumi.Output.from_input("s3://models/llama")}), AWS)

    with pytest.raises(SettingsError, match="boot_output"):
        asyncio.run(too_early())


LATE_ERRORS: Mapping[str, tuple[Later, Any]] = {
    "model": (pulumi.Output.from_input, "gs://models/llama"),
    "environment.MODE": (pulumi.Output.secret, "fast"),
    "environment.KIND": (pulumi.Output.from_input, "hf_" + "a" * 30),
    "secrets.HUB": (pulumi.Output.from_input, "hub"),
}


@pytest.mark.parametrize("field", LATE_ERRORS)
def test_outputs_are_checked_once_known_and_secret_ones_are_refused(field: str) -> None:
    later, value = LATE_ERRORS[field]
    group, _, name = field.partition(".")
    with pytest.raises(SettingsError) as caught:
        resolved(lambda: {**VLLM, group: {name: later(value)} if name else later(value)})
    assert caught.value.field == f"workload.{field}"
