"""Tests of logs and traces."""
