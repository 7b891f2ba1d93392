"""Checks of untrusted JSON: its limits, its members, its types."""
