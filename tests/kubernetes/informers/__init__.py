"""Informers of the Kubernetes provider."""
