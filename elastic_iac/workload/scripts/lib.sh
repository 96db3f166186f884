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
