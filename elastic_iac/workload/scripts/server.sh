#!/usr/bin/env bash
# Replica $1 in the foreground, with accelerators and ports of its own.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

replica=$1
outside=$(sed -n "$((replica + 1))p" "$STATE/ports")
first=$((replica * GPUS_PER_REPLICA))
devices=$(seq -s, "$first" "$((first + GPUS_PER_REPLICA - 1))")
publish=(-p "$outside:$PORT")
[ "$(cat "$STATE/replicas")" -eq 1 ] || publish=(-p "127.0.0.1:$outside:$PORT")
[ "$METRICS_PORT" = "$PORT" ] || publish+=(-p "127.0.0.1:$((19000 + replica)):$METRICS_PORT")
mounts=(-v "$DATA/model:$MODEL_PATH:ro")
for file in "${FILES[@]}"; do
  mounts+=(-v "$ROOT/etc/elastic-iac/files$file:$file:ro")
done
docker rm -f "elastic-iac-$replica" >/dev/null 2>&1 || true
exec docker run --rm --name "elastic-iac-$replica" --gpus "\"device=$devices\"" --ipc=host "${publish[@]}" "${mounts[@]}" \
  --env-file "$ROOT/etc/elastic-iac/environment" --env-file "$STATE/secrets.env" "$IMAGE" "${ARGUMENTS[@]}"
