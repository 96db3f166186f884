#!/usr/bin/env bash
# A training node: from the newest checkpoint on, until the training ends or the node is told to leave.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

mount_local_disks
install_driver
prepare_container
mkdir -p "$DATA/checkpoint"
if [ -n "$CHECKPOINT" ]; then
  fetch "$CHECKPOINT" "$DATA/checkpoint"
fi
touch "$STATE/started"
until in_service; do # in a warm pool all is made ready but the training
  sleep "${ELASTIC_IAC_PAUSE:-5}"
done
run=(docker run --rm --name elastic-iac-trainer --gpus all --network host --ipc=host -v "$DATA/checkpoint:/checkpoint"
  -e CHECKPOINT_DIR=/checkpoint --env-file "$ROOT/etc/elastic-iac/environment" --env-file "$STATE/secrets.env")
docker rm -f elastic-iac-trainer >/dev/null 2>&1 || true
if [ "$FRAMEWORK" = pytorch ]; then
  endpoint=$RENDEZVOUS
  if [ -z "$endpoint" ]; then # the oldest node: whoever it is finds its own address there and serves the others
    read -r oldest < <(nodes)
    endpoint=$oldest:29400
  fi
  say "joins the rendezvous at $endpoint with $MIN_NODES to $MAX_NODES nodes"
  exec "${run[@]}" "$IMAGE" torchrun --nnodes="$MIN_NODES:$MAX_NODES" --nproc-per-node=gpu --max-restarts="$MAX_RESTARTS" \
    --rdzv-id=elastic-iac --rdzv-backend=c10d --rdzv-endpoint="$endpoint" "${ARGUMENTS[@]}"
fi
while true; do
  mapfile -t workers < <(nodes | head -n "$MIN_NODES")
  [ "${#workers[@]}" -lt "$MIN_NODES" ] || break
  say "${#workers[@]} of $MIN_NODES workers are there"
  sleep "${ELASTIC_IAC_PAUSE:-5}"
done
own=$(address)
for index in "${!workers[@]}"; do
  if [ "${workers[$index]}" = "$own" ]; then
    printf -v list ',"%s:2222"' "${workers[@]}"
    exec "${run[@]}" -e "TF_CONFIG={\"cluster\":{\"worker\":[${list#,}]},\"task\":{\"type\":\"worker\",\"index\":$index}}" \
      "$IMAGE" "${ARGUMENTS[@]}"
  fi
done
say "the training has its $MIN_NODES workers: this node stands by"
exit 1
