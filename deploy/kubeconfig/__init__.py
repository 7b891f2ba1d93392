"""Attaches workers and tests to the cluster of a kubeconfig."""
