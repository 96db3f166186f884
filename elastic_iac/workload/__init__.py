"""What runs on a pool of accelerators: a model server or a trainer, as boot scripts that pure functions render.

`settle_workload` and `settle_training` check arguments, `boot_script` (`boot_output` for outputs) renders, `load_of` says what load is published.
"""

from elastic_iac.workload.args import GpuTraining, GpuWorkload
from elastic_iac.workload.base import LIFECYCLE_HOOK, AwsPlatform, GcpPlatform, Platform, Training, Workload
from elastic_iac.workload.load import Load, load_of
from elastic_iac.workload.render import boot_output, boot_script
from elastic_iac.workload.settle import resolve_training, resolve_workload, settle_training, settle_workload

__all__ = [
    "LIFECYCLE_HOOK",
    "AwsPlatform",
    "GcpPlatform",
    "GpuTraining",
    "GpuWorkload",
    "Load",
    "Platform",
    "Training",
    "Workload",
    "boot_output",
    "boot_script",
    "load_of",
    "resolve_training",
    "resolve_workload",
    "settle_training",
    "settle_workload",
]
