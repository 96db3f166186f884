#!/usr/bin/env bash
# Holds the instance out of service until every replica answers, then completes the lifecycle action. An instance may wait twice: on its way into a
# warm pool and on its way out, with or without a boot between the two.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

healthy() {
  local outside
  [ -s "$STATE/ports" ] || return 1
  while read -r outside; do
    curl -sf -m 5 -o /dev/null "http://127.0.0.1:$outside$HEALTH_PATH" || return 1
  done <"$STATE/ports"
  curl -sf -m 5 -o /dev/null "http://127.0.0.1:$PORT$HEALTH_PATH"
}

lifecycle() { # OPERATION [OPTION...]
  aws autoscaling "$1" --lifecycle-hook-name "$HOOK" --auto-scaling-group-name "$group" --instance-id "$(metadata instance-id)" "${@:2}"
}

settled=
target=
since=$SECONDS
beaten=$SECONDS
while true; do
  before=$target
  target=$(metadata autoscaling/target-lifecycle-state || echo unknown)
  if [ "$target" != "$before" ]; then
    since=$SECONDS
    beaten=$SECONDS
  fi
  if [ "$target" = "$settled" ] || ! read -r group stage < <(membership); then
    stage=settled
  fi
  case $stage in
    Pending:Wait | Warmed:Pending:Wait)
      if healthy; then
        if lifecycle complete-lifecycle-action --lifecycle-action-result CONTINUE; then
          say "ready: $stage is completed"
          [ "$stage" != Pending:Wait ] || exit 0
          settled=$target # in a warm pool: the next wait comes with another target
        fi
      elif [ $((SECONDS - since)) -ge "$BOOT_LIMIT_SECONDS" ]; then
        say "no healthy answer in $BOOT_LIMIT_SECONDS s: given up"
        lifecycle complete-lifecycle-action --lifecycle-action-result ABANDON
        exit 1
      elif [ $((SECONDS - beaten)) -ge $((HEARTBEAT_SECONDS / 3)) ]; then
        lifecycle record-lifecycle-action-heartbeat && beaten=$SECONDS
      fi
      ;;
    InService | Terminat* | Detach*) exit 0 ;;
  esac
  # A pool that boots together shares one account's quota of DescribeAutoScalingInstances.
  sleep "${ELASTIC_IAC_PAUSE:-$((12 + RANDOM % 7))}"
done
