"""The Helm chart, and the files that are made from it."""
