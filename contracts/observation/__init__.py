"""Observation of gateways and workers; the only folder that imports prometheus_client."""
