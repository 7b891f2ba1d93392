"""Clusters that somebody has: reads a kubeconfig and attaches workers and tests to what it names."""
