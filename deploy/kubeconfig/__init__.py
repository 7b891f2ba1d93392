"""Clusters that somebody has: reads a kubeconfig, attaches workers and tests to it."""
