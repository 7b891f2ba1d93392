"""Attaches workers to the user's AWS account."""
