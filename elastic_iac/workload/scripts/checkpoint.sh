#!/usr/bin/env bash
# Uploads the checkpoints that this node wrote: a copy that it only fetched may be older than what is there by now.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

[ -n "$CHECKPOINT" ] && [ -e "$STATE/started" ] || exit 0
exec 9>"$STATE/upload.lock"
flock 9
rm -rf "$DATA/outgoing"
mkdir "$DATA/outgoing"
cd "$DATA/checkpoint"
find . -newer "$STATE/started" -type f ! -name '*.tmp' -exec cp --parents --link --target-directory="$DATA/outgoing" {} +
upload "$DATA/outgoing" "$CHECKPOINT"
