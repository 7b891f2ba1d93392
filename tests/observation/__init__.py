"""Tests of contracts.observation, and of the metrics, traces and logs of whole processes."""
