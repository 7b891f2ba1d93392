"""Benchmark of round trips per second, CPU per request and added latency."""
