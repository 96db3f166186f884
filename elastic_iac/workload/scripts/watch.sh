#!/usr/bin/env bash
# Uploads checkpoints from time to time, and lets the trainer leave when the cloud takes the instance back.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

uploaded=$SECONDS
warned=
while true; do
  case $(notice) in
    final)
      say 'this instance is taken back: the trainer writes its checkpoint and leaves'
      systemctl stop elastic-iac-trainer.service # SIGTERM, then the upload
      exit 0
      ;;
    early)
      if [ -z "$warned" ]; then
        say 'this instance may be taken back soon: checkpoints are uploaded now'
        warned=yes
        uploaded=-$CHECKPOINT_SECONDS
      fi
      ;;
  esac
  if [ $((SECONDS - uploaded)) -ge "$CHECKPOINT_SECONDS" ]; then
    uploaded=$SECONDS
    "${BASH_SOURCE[0]%/*}/checkpoint.sh" & # a long upload must not hide a notice
  fi
  sleep "${ELASTIC_IAC_PAUSE:-5}"
done
