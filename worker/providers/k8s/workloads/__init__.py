"""Manifests, neutral workloads and Secrets, and how they are applied."""
