"""Tests of contracts.observation, and of the metrics of whole processes."""
