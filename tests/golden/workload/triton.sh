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
PROJECT=shop-prod
GROUP_LABEL=llm-europe-west1-0a1b2c
IMAGE=nvcr.io/nvidia/tritonserver:25.08-py3
MODEL=gs://models/ranking
MODEL_PATH=/model
PORT=8000
HEALTH_PATH=/v2/health/ready
METRICS_PORT=8002
METRICS_PATH=/metrics
LOAD_METRIC=nv_inference_request_success
GPUS_PER_REPLICA=1
BOOT_LIMIT_SECONDS=1800
ARGUMENTS=(tritonserver --model-repository=/model --http-port=8000 --metrics-port=8002 --allow-grpc=false)
SECRETS=(HF_TOKEN=projects/shop-prod/secrets/hub)
FILES=()
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
export PATH=$PATH:/snap/bin # gcloud, on Ubuntu
METADATA=http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1

metadata() { curl -sf -m 15 -H 'Metadata-Flavor: Google' "$METADATA/instance/$1"; }

in_service() { true; }

fetch() { gcloud storage rsync --recursive --quiet "$1" "$2"; }
upload() { gcloud storage rsync --recursive --quiet --exclude='.*\.tmp$' "$1" "$2"; }

secret() {
  case $1 in
    */versions/*) gcloud secrets versions access "$1" ;;
    *) gcloud secrets versions access "$1/versions/latest" ;;
  esac
}

login() {
  case ${1%%/*} in
    *-docker.pkg.dev | gcr.io | *.gcr.io) gcloud auth configure-docker --quiet "${1%%/*}" ;;
  esac
}

local_disks() { find "$ROOT/dev/disk/by-id" -name 'google-local-*ssd-*' ! -name '*-part*' 2>/dev/null || true; }

# Deep Learning VM images have an installer of their own. Google's for others may restart the machine: the boot unit then goes on.
install_driver() {
  local installer=$ROOT/opt/deeplearning/install-driver.sh
  ! nvidia-smi >/dev/null 2>&1 || return 0
  systemctl stop google-cloud-ops-agent.service 2>/dev/null || true # its GPU metrics would hold the driver
  if [ -x "$installer" ]; then
    "$installer"
  else
    curl -sfL -o "$STATE/cuda_installer.pyz" https://storage.googleapis.com/compute-gpu-installation-us/installer/latest/cuda_installer.pyz
    python3 "$STATE/cuda_installer.pyz" install_driver --installation-mode=repo --installation-branch=prod
  fi
}

# Addresses of the group's nodes, the oldest first.
nodes() {
  gcloud compute instances list --project="$PROJECT" --filter="labels.elastic-iac-group=$GROUP_LABEL AND status=RUNNING" \
    --sort-by=creationTimestamp,name --format='value(networkInterfaces[0].networkIP)'
}
address() { metadata network-interfaces/0/ip; }

# final: this instance goes within 30 seconds. early: its host is maintained, it stops within the hour.
notice() {
  if [ "$(metadata preempted)" = TRUE ]; then
    echo final
  elif [ "$(metadata maintenance-event)" = TERMINATE_ON_HOST_MAINTENANCE ]; then
    echo early
  fi
}
# The Ops Agent publishes the counter as it is; what the GPUs do it collects by itself (NVML).
configure_agent() {
  local targets
  targets=$(printf ',"%s"' "$@")
  if ! systemctl cat google-cloud-ops-agent.service >/dev/null 2>&1; then
    curl -sfL -o "$STATE/ops-agent.sh" https://dl.google.com/cloudagents/add-google-cloud-ops-agent-repo.sh
    bash "$STATE/ops-agent.sh" --also-install || return 1
  fi
  mkdir -p "$ROOT/etc/google-cloud-ops-agent"
  cat >"$ROOT/etc/google-cloud-ops-agent/config.yaml" <<YAML
metrics:
  receivers:
    elastic_iac:
      type: prometheus
      config:
        scrape_configs:
          - job_name: elastic-iac
            scrape_interval: 1m
            metrics_path: $METRICS_PATH
            static_configs: [{targets: [${targets#,}], labels: {elastic_iac_group: "$GROUP_LABEL"}}]
            metric_relabel_configs: [{source_labels: [__name__], regex: "$LOAD_METRIC", action: keep}]
  service:
    pipelines:
      elastic_iac: {receivers: [elastic_iac]}
YAML
  systemctl restart google-cloud-ops-agent.service
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
ExecStart=/usr/bin/env docker run --rm --name elastic-iac-proxy --network host -v /etc/elastic-iac/nginx.conf:/etc/nginx/nginx.conf:ro mirror.gcr.io/library/nginx:1.28-alpine
ExecStop=/usr/bin/env docker stop -t 60 elastic-iac-proxy
ELASTIC_IAC_END
systemctl daemon-reload
systemctl enable elastic-iac-boot.service
systemctl start --no-block elastic-iac-boot.service
