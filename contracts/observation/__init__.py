"""Observation of gateways and workers: metrics, traces and logs."""
