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
