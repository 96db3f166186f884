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
