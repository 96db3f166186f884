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
