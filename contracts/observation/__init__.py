"""Observation: the logs and traces of gateways and workers."""
