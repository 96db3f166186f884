#!/usr/bin/env bash
# Written by elastic-iac: installs what systemd runs at each boot.
set -euo pipefail
umask 022
root=${ELASTIC_IAC_ROOT:-}
put() { # PATH MODE
  mkdir -p "$root${1%/*}"
  cat >"$root$1.new"
  chmod "$2" "$root$1.new"
  mv "$root$1.new" "$root$1"
}
put /etc/elastic-iac/settings 644 <<'ELASTIC_IAC_END'
LOCAL_DISKS=true
AWS_REGION=eu-central-1
NAMESPACE=ElasticIaC
HOOK=elastic-iac-ready
HEARTBEAT_SECONDS=300
IMAGE=pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime
FRAMEWORK=pytorch
MIN_NODES=1
MAX_NODES=4
MAX_RESTARTS=100
RENDEZVOUS=''
CHECKPOINT=s3://checkpoints/run-1
CHECKPOINT_SECONDS=300
ARGUMENTS=(/workspace/train.py --steps 1000)
SECRETS=()
ELASTIC_IAC_END
put /etc/elastic-iac/environment 644 <<'ELASTIC_IAC_END'
ELASTIC_IAC_END
put /opt/elastic-iac/lib.sh 755 <<'ELASTIC_IAC_END'
# shellcheck shell=bash
# What the scripts share. Tests give another root and another metadata service.
ROOT=${ELASTIC_IAC_ROOT:-}
STATE=$ROOT/run/elastic-iac
DATA=$ROOT/var/lib/elastic-iac
# shellcheck source=/dev/null
. "$ROOT/etc/elastic-iac/settings"
mkdir -p "$STATE" "$DATA"

say() { echo "elastic-iac: $*" >&2; }

# Image and secrets at hand: $STATE/secrets.env is in memory, for the container only.
prepare_container() {
  local entry value
  login "$IMAGE"
  : >"$STATE/secrets.env"
  chmod 600 "$STATE/secrets.env"
  for entry in "${SECRETS[@]}"; do
    value=$(secret "${entry#*=}")
    case $value in
      *$'\n'*)
        say "the secret of ${entry%%=*} has several lines: an environment variable takes one"
        return 1
        ;;
    esac
    printf '%s=%s\n' "${entry%%=*}" "$value" >>"$STATE/secrets.env"
  done
  docker image inspect "$IMAGE" >/dev/null 2>&1 || docker pull -q "$IMAGE"
}

# The local disks, if there are any, hold what is fetched: they are the fastest, and empty after a stop.
mount_local_disks() {
  local device disks
  [ "$LOCAL_DISKS" = true ] || return 0
  ! mountpoint -q "$DATA" || return 0
  if mountpoint -q "$ROOT/opt/dlami/nvme"; then # deep learning AMIs have joined and mounted them already
    mkdir -p "$ROOT/opt/dlami/nvme/elastic-iac"
    mount --bind "$ROOT/opt/dlami/nvme/elastic-iac" "$DATA"
    return 0
  fi
  mapfile -t disks < <(local_disks | xargs -r readlink -f | sort -u)
  [ "${#disks[@]}" -gt 0 ] || return 0
  device=${disks[0]}
  if [ "${#disks[@]}" -gt 1 ]; then
    device=$(lsblk -nrpo NAME,TYPE "${disks[0]}" | awk '$2 ~ /^raid/ { print $1; exit }') # udev may have assembled it, as /dev/md127
    if [ -z "$device" ]; then
      device=/dev/md/elastic-iac
      mdadm --assemble "$device" "${disks[@]}" 2>/dev/null ||
        mdadm --create "$device" --run --level=0 --raid-devices="${#disks[@]}" "${disks[@]}"
    fi
  fi
  blkid "$device" >/dev/null || mkfs.ext4 -q -E nodiscard "$device"
  mount -o discard "$device" "$DATA"
}
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION
IMDS=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}

metadata() {
  local token
  token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$IMDS/latest/api/token") || return 1
  curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$IMDS/latest/meta-data/$1"
}

# Name of the group and lifecycle state of this instance.
membership() {
  aws autoscaling describe-auto-scaling-instances --instance-ids "$(metadata instance-id)" --output text \
    --query 'AutoScalingInstances[0].[AutoScalingGroupName,LifecycleState]'
}

in_service() { [ "$(metadata autoscaling/target-lifecycle-state)" = InService ]; }

fetch() { aws s3 sync --only-show-errors "$1" "$2"; }
upload() { aws s3 sync --only-show-errors --exclude '*.tmp' "$1" "$2"; }
# An ARN names its region, which need not be this one.
secret() { aws secretsmanager get-secret-value --region "$(cut -d: -f4 <<<"$1")" --secret-id "$1" --query SecretString --output text; }

login() {
  local region
  case $1 in
    *.dkr.ecr.*)
      region=${1#*.dkr.ecr.}
      aws ecr get-login-password --region "${region%%.*}" | docker login --username AWS --password-stdin "${1%%/*}"
      ;;
  esac
}

local_disks() { find "$ROOT/dev/disk/by-id" -name 'nvme-Amazon_EC2_NVMe_Instance_Storage_*' ! -name '*-part*' 2>/dev/null || true; }
install_driver() { :; } # deep learning AMIs bring it

# Addresses of the group's nodes, the oldest first.
nodes() {
  aws ec2 describe-instances --output text \
    --filters "Name=tag:aws:autoscaling:groupName,Values=$(membership | cut -f1)" Name=instance-state-name,Values=running \
    --query 'Reservations[].Instances[].[LaunchTime,InstanceId,PrivateIpAddress]' | sort | cut -f3
}
address() { metadata local-ipv4; }

# final: this instance goes within two minutes. early: it may.
notice() {
  if metadata spot/instance-action >/dev/null; then
    echo final
  elif metadata events/recommendations/rebalance >/dev/null; then
    echo early
  fi
}
ELASTIC_IAC_END
put /opt/elastic-iac/trainer.sh 755 <<'ELASTIC_IAC_END'
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
ELASTIC_IAC_END
put /opt/elastic-iac/checkpoint.sh 755 <<'ELASTIC_IAC_END'
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
ELASTIC_IAC_END
put /opt/elastic-iac/watch.sh 755 <<'ELASTIC_IAC_END'
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
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-trainer.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: trainer
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Restart=on-failure
RestartSec=15
TimeoutStartSec=infinity
TimeoutStopSec=300
ExecStart=/opt/elastic-iac/trainer.sh
ExecStop=/usr/bin/env docker stop -t 90 elastic-iac-trainer
ExecStopPost=/opt/elastic-iac/checkpoint.sh

[Install]
WantedBy=multi-user.target
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-watch.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: notices and checkpoints
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Restart=on-failure
RestartSec=5
ExecStart=/opt/elastic-iac/watch.sh

[Install]
WantedBy=multi-user.target
ELASTIC_IAC_END
systemctl daemon-reload
systemctl enable elastic-iac-trainer.service elastic-iac-watch.service
systemctl start --no-block elastic-iac-trainer.service elastic-iac-watch.service
