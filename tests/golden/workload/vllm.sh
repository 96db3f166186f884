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
IMAGE=vllm/vllm-openai:v0.11.0
MODEL=s3://models/llama-3.1-8b
MODEL_PATH=/model
PORT=8000
HEALTH_PATH=/health
METRICS_PORT=8000
METRICS_PATH=/metrics
LOAD_METRIC=vllm:generation_tokens_total
GPUS_PER_REPLICA=2
BOOT_LIMIT_SECONDS=1800
ARGUMENTS=(--model /model --port 8000 --tensor-parallel-size 2 --max-model-len 8192 --served-model-name 'it'"'"'s')
SECRETS=(HF_TOKEN=arn:aws:secretsmanager:eu-central-1:111122223333:secret:hub-AbCdEf)
FILES=()
ELASTIC_IAC_END
put /etc/elastic-iac/environment 644 <<'ELASTIC_IAC_END'
VLLM_LOGGING_LEVEL=WARNING
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
# The CloudWatch agent publishes the increase of the counter in each minute, and what the GPUs do.
configure_agent() {
  local agent=$ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl group targets
  group=$(membership | cut -f1) || group=
  case $group in
    '' | None)
      say "this instance's group is not known: autoscaling:DescribeAutoScalingInstances was refused, or it is in none"
      return 1
      ;;
  esac
  targets=$(printf ',"%s"' "$@")
  if [ ! -x "$agent" ]; then # deep learning AMIs bring it
    dnf install -y -q amazon-cloudwatch-agent || return 1
  fi
  cat >"$ROOT/etc/elastic-iac/prometheus.yaml" <<YAML
global: {scrape_interval: 1m, scrape_timeout: 10s}
scrape_configs:
  - job_name: elastic-iac
    metrics_path: $METRICS_PATH
    static_configs: [{targets: [${targets#,}], labels: {AutoScalingGroupName: "$group"}}]
YAML
  cat >"$ROOT/etc/elastic-iac/agent.json" <<JSON
{"agent": {"metrics_collection_interval": 60},
 "logs": {"metrics_collected": {"prometheus": {
   "prometheus_config_path": "$ROOT/etc/elastic-iac/prometheus.yaml", "log_group_name": "/elastic-iac/$group",
   "emf_processor": {"metric_namespace": "$NAMESPACE", "metric_declaration": [{
     "source_labels": ["job"], "label_matcher": "^elastic-iac$", "dimensions": [["AutoScalingGroupName"]],
     "metric_selectors": ["^$LOAD_METRIC$"]}]}}}},
 "metrics": {"namespace": "$NAMESPACE", "append_dimensions": {"AutoScalingGroupName": "\${aws:AutoScalingGroupName}"},
   "aggregation_dimensions": [["AutoScalingGroupName"]],
   "metrics_collected": {"nvidia_gpu": {"metrics_collection_interval": 60,
     "measurement": ["utilization_gpu", "utilization_memory", "memory_used", "memory_total", "temperature_gpu"]}}}}
JSON
  "$agent" -a fetch-config -m ec2 -s -c "file:$ROOT/etc/elastic-iac/agent.json"
}
ELASTIC_IAC_END
put /opt/elastic-iac/boot.sh 755 <<'ELASTIC_IAC_END'
#!/usr/bin/env bash
# Boot work of a model server, at each boot: disks, driver, image and model, metrics, then the replicas.
set -euo pipefail
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/lib.sh"

mount_local_disks
install_driver
gpus=$(nvidia-smi --list-gpus | wc -l)
replicas=$((gpus / GPUS_PER_REPLICA))
if [ "$replicas" -eq 0 ]; then
  say "$gpus GPUs here, and a replica takes $GPUS_PER_REPLICA"
  exit 1
fi
echo "$replicas" >"$STATE/replicas"

prepare_container &
image=$!
mkdir -p "$DATA/model"
if [ -n "$MODEL" ]; then
  fetch "$MODEL" "$DATA/model"
fi
wait "$image"

# One replica answers on the port itself. Several stand behind a proxy there, since a load balancer knows one port of an instance.
ports=()
scraped=()
for ((replica = 0; replica < replicas; replica++)); do
  outside=$PORT
  [ "$replicas" -eq 1 ] || outside=$((18000 + replica))
  ports+=("$outside")
  [ "$METRICS_PORT" = "$PORT" ] || outside=$((19000 + replica))
  scraped+=("127.0.0.1:$outside")
done
printf '%s\n' "${ports[@]}" >"$STATE/ports"
if [ -n "$METRICS_PATH" ]; then
  configure_agent "${scraped[@]}" || say "the agent was not configured: the load is not published"
fi
for ((replica = 0; replica < replicas; replica++)); do
  systemctl start --no-block "elastic-iac-server@$replica.service"
done
if [ "$replicas" -gt 1 ]; then
  cat >"$ROOT/etc/elastic-iac/nginx.conf" <<NGINX
events {}
http {
  upstream replicas {
    least_conn;
$(printf '    server 127.0.0.1:%s max_fails=1 fail_timeout=5s;\n' "${ports[@]}")
  }
  server {
    listen $PORT;
    client_max_body_size 0;
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$host;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
NGINX
  systemctl start --no-block elastic-iac-proxy.service
fi
say "$replicas replicas start, on ${ports[*]}"
ELASTIC_IAC_END
put /opt/elastic-iac/server.sh 755 <<'ELASTIC_IAC_END'
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
ELASTIC_IAC_END
put /opt/elastic-iac/ready.sh 755 <<'ELASTIC_IAC_END'
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
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-boot.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: disks, image and model
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=15
ExecStart=/opt/elastic-iac/boot.sh

[Install]
WantedBy=multi-user.target
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-server@.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: replica %i of the model server
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Restart=always
RestartSec=5
TimeoutStopSec=90
ExecStart=/opt/elastic-iac/server.sh %i
ExecStop=/usr/bin/env docker stop -t 60 elastic-iac-%i
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-proxy.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: one port for all replicas
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Restart=always
RestartSec=5
ExecStartPre=-/usr/bin/env docker rm -f elastic-iac-proxy
ExecStart=/usr/bin/env docker run --rm --name elastic-iac-proxy --network host -v /etc/elastic-iac/nginx.conf:/etc/nginx/nginx.conf:ro public.ecr.aws/nginx/nginx:1.28-alpine
ExecStop=/usr/bin/env docker stop -t 60 elastic-iac-proxy
ELASTIC_IAC_END
put /etc/systemd/system/elastic-iac-ready.service 644 <<'ELASTIC_IAC_END'
[Unit]
Description=elastic-iac: lifecycle of the instance
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=HOME=/root
Restart=on-abnormal
RestartSec=15
ExecStart=/opt/elastic-iac/ready.sh

[Install]
WantedBy=multi-user.target
ELASTIC_IAC_END
systemctl daemon-reload
systemctl enable elastic-iac-boot.service elastic-iac-ready.service
systemctl start --no-block elastic-iac-boot.service elastic-iac-ready.service
