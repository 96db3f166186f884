"""A rendezvous that outlives the nodes: run it on a small machine that stays, and name HOST:PORT as the training's `rendezvous`.

python rendezvous.py --port 29400
"""

from __future__ import annotations

import argparse
import signal

from torch.distributed import TCPStore

parser = argparse.ArgumentParser()
parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - nodes come from outside
parser.add_argument("--port", type=int, default=29400)
args = parser.parse_args()
store = TCPStore(args.host, args.port, is_master=True, wait_for_workers=False)
print(f"serves on {args.host}:{args.port}", flush=True)
signal.pause()
