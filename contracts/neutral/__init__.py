"""The formats of workloads and route plans that are the same on every platform."""
