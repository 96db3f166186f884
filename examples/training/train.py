"""Elastic training that goes on from its newest checkpoint, whatever nodes are there: start it with `torchrun --nnodes=MIN:MAX`.

The first worker of each node writes checkpoints, as new files and by a rename, so that none is ever half. At the start all workers agree on the
newest that any of them has, and its owner hands it to the others: a node that was away has an older one, or none.

    torchrun --nnodes=1:4 --nproc-per-node=gpu --rdzv-backend=c10d --rdzv-endpoint=HOST:29400 train.py --steps 1000
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

KEPT = 3


class Leaving:
    """Set by SIGTERM: this node goes, or others come."""

    def __init__(self) -> None:
        self.told = False
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, _signal: int, _frame: object) -> None:
        self.told = True


def save(folder: Path, state: dict) -> None:
    """Write a checkpoint under its step's name; names sort by step."""
    path = folder / f"step-{state['step']:09d}.pt"
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)
    for old in sorted(folder.glob("step-*.pt"))[:-KEPT]:
        old.unlink(missing_ok=True)


def newest_of_all(folder: Path) -> dict | None:
    """The newest state that any worker has; None where none has any."""
    path = max(folder.glob("step-*.pt"), default=None)
    own = -1 if path is None else int(path.stem.removeprefix("step-"))
    steps = [None] * dist.get_world_size()
    dist.all_gather_object(steps, own)
    best = max(range(len(steps)), key=lambda rank: steps[rank])
    if steps[best] < 0:
        return None
    states = [torch.load(path, map_location="cpu") if best == dist.get_rank() else None]
    dist.broadcast_object_list(states, src=best)
    return states[0]


def batch(step: int, rank: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of a made-up regression; your data stands here."""
    generator = torch.Generator().manual_seed(step * 1000 + rank)
    inputs = torch.randn(32, 8, generator=generator)
    return inputs.to(device), (inputs.sum(dim=1, keepdim=True) * 0.5 + 1).to(device)


def train(args: argparse.Namespace, folder: Path, device: torch.device) -> None:
    """From the newest checkpoint to the last step, or until the node is told to leave."""
    leaving = Leaving()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    step = 0
    if state := newest_of_all(folder):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    parallel = DistributedDataParallel(model)
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"starts at step {step} with world size {world} as rank {rank}", flush=True)

    def checkpoint() -> None:
        if os.environ["LOCAL_RANK"] == "0":
            save(folder, {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()})

    while step < args.steps and not leaving.told:
        inputs, wanted = batch(step, rank, device)
        optimizer.zero_grad()
        try:
            loss = nn.functional.mse_loss(parallel(inputs), wanted)
            loss.backward()
        except RuntimeError:  # another node is gone: nothing of this step was applied
            checkpoint()
            raise
        optimizer.step()
        step += 1
        if step % args.save_every == 0:
            checkpoint()
            print(f"step {step} loss {loss.item():.6f} with world size {world} as rank {rank}", flush=True)
        time.sleep(args.pause_seconds)
    checkpoint()
    print(f"{'ends' if step >= args.steps else 'leaves'} at step {step}", flush=True)


def main() -> None:
    """Read the command line, join the other workers, train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--save-every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("--pause-seconds", type=float, default=0, help="after each step, to watch it")
    args = parser.parse_args()
    folder = Path(os.environ.get("CHECKPOINT_DIR", "/checkpoint"))
    folder.mkdir(parents=True, exist_ok=True)
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
        dist.init_process_group("nccl")
    else:
        device = torch.device("cpu")
        dist.init_process_group("gloo")
    train(args, folder, device)


if __name__ == "__main__":
    main()
