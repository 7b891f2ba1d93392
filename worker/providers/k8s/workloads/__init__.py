"""Objects that are applied: manifests, neutral workloads and Secrets."""
