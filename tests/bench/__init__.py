"""Round trips per second, processor time per request and added latency: `python -m tests.bench`."""
