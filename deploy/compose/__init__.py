"""Files of deploy/compose.yaml: the preparation of the broker, Prometheus and Grafana."""
