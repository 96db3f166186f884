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
