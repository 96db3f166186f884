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
