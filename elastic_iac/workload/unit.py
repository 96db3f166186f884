"""systemd units."""

from collections.abc import Mapping

_AFTER = (
    "After=network-online.target docker.service\nWants=network-online.target docker.service\nStartLimitIntervalSec=0\n"
)
_INSTALL = "\n[Install]\nWantedBy=multi-user.target\n"


def _unit(description: str, service: str, *, at_boot: bool) -> str:
    return f"[Unit]\nDescription={description}\n{_AFTER}\n[Service]\nEnvironment=HOME=/root\n{service}{_INSTALL if at_boot else ''}"


def serving_units(proxy: str, *, held: bool) -> Mapping[str, str]:
    """Units of a model server, by file name.

    Args:
        proxy: Image of nginx.
        held: A lifecycle hook holds the instance until the server answers.
    """
    proxy_run = f"docker run --rm --name elastic-iac-proxy --network host -v /etc/elastic-iac/nginx.conf:/etc/nginx/nginx.conf:ro {proxy}"
    units = {
        "elastic-iac-boot.service": _unit(
            "elastic-iac: disks, image and model",
            "Type=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\nRestart=on-failure\nRestartSec=15\n"
            "ExecStart=/opt/elastic-iac/boot.sh\n",
            at_boot=True,
        ),
        "elastic-iac-server@.service": _unit(
            "elastic-iac: replica %i of the model server",
            "Restart=always\nRestartSec=5\nTimeoutStopSec=90\n"
            "ExecStart=/opt/elastic-iac/server.sh %i\nExecStop=/usr/bin/env docker stop -t 60 elastic-iac-%i\n",
            at_boot=False,
        ),
        "elastic-iac-proxy.service": _unit(
            "elastic-iac: one port for all replicas",
            "Restart=always\nRestartSec=5\nExecStartPre=-/usr/bin/env docker rm -f elastic-iac-proxy\n"
            f"ExecStart=/usr/bin/env {proxy_run}\nExecStop=/usr/bin/env docker stop -t 60 elastic-iac-proxy\n",
            at_boot=False,
        ),
    }
    if held:
        service = "Restart=on-abnormal\nRestartSec=15\nExecStart=/opt/elastic-iac/ready.sh\n"
        units["elastic-iac-ready.service"] = _unit("elastic-iac: lifecycle of the instance", service, at_boot=True)
    return units


def training_units(*, grace_seconds: int) -> Mapping[str, str]:
    """Units of a trainer, by file name.

    Args:
        grace_seconds: What the trainer is given to write its checkpoint once it is told to stop.
    """
    return {
        "elastic-iac-trainer.service": _unit(
            "elastic-iac: trainer",
            "Restart=on-failure\nRestartSec=15\nTimeoutStartSec=infinity\nTimeoutStopSec=300\n"
            "ExecStart=/opt/elastic-iac/trainer.sh\n"
            f"ExecStop=/usr/bin/env docker stop -t {grace_seconds} elastic-iac-trainer\n"
            "ExecStopPost=/opt/elastic-iac/checkpoint.sh\n",
            at_boot=True,
        ),
        "elastic-iac-watch.service": _unit(
            "elastic-iac: notices and checkpoints",
            "Restart=on-failure\nRestartSec=5\nExecStart=/opt/elastic-iac/watch.sh\n",
            at_boot=True,
        ),
    }
