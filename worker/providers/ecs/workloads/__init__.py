"""Workloads on Fargate: all that a service needs is made, changed and deleted with it."""
